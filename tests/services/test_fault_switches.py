"""Faults happen to what they match, as often as they were ordered."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from services import payment as payments
from tests.services.calls import called, keyed, payment, problem_of, served

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a payment service that serves its fault switches."""
    app = payments.create_app(f"sqlite:///{tmp_path / 'payment.db'}", faults=True)
    async with called(app) as client:
        yield client


async def switch(client: httpx.AsyncClient, endpoint: str, **rule: object) -> None:
    """Switch a fault on."""
    answer = await client.put("/faults", json={"endpoint": endpoint, **rule})
    assert answer.status_code == 200


async def test_lost_answer_is_stored(database_url: str) -> None:
    async with served(payments.create_app(database_url, faults=True)) as client:
        await switch(client, "POST /payments", drop_after_commit=1)
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post("/payments", json=payment(), headers=keyed("k"))
        assert (await client.get("/faults")).json()[0]["drop_after_commit"] == 0
        kept = (await client.get("/payments/p1")).json()
        retried = await client.post("/payments", json=payment(), headers=keyed("k"))
        assert retried.status_code == 201
        assert retried.json() == kept
        assert kept["version"] == 1


async def test_errors_reach_nobody(client: httpx.AsyncClient) -> None:
    await switch(client, "POST /payments/{payment_id}/refund", error_rate=1.0)
    await switch(client, "*", error_rate=1.0, status=429, retry_after=7)
    refund = await client.post("/payments/p1/refund", json={}, headers=keyed("u"))
    assert problem_of(refund) == (503, "about:blank")
    charge = await client.post("/payments", json=payment(), headers=keyed("k"))
    assert problem_of(charge) == (429, "about:blank")
    assert charge.headers["retry-after"] == "7"
    assert (await client.delete("/faults")).status_code == 204
    assert problem_of(await client.get("/payments/p1")) == (404, "about:blank")


async def test_latency_and_outage(client: httpx.AsyncClient) -> None:
    await switch(client, "GET /payments/{payment_id}", latency_ms=80)
    started = time.monotonic()
    await client.get("/payments/p1")
    assert time.monotonic() - started >= 0.08
    await switch(client, "*", outage_seconds=60)
    charge = await client.post("/payments", json=payment(), headers=keyed("k"))
    assert problem_of(charge) == (503, "about:blank")
    # A rule takes the place of the one its endpoint had.
    await switch(client, "*")
    charge = await client.post("/payments", json=payment(), headers=keyed("k"))
    assert charge.status_code == 201


async def test_malformed_rule(client: httpx.AsyncClient) -> None:
    answer = await client.put("/faults", json={"endpoint": "payments"})
    assert problem_of(answer) == (400, "urn:problem:invalid-request")
