"""Every answer of the four services, the refusals above all."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from services import inventory, order, payment, shipping
from tests.services import calls
from tests.services.calls import called, keyed, problem_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

FACTORIES: dict[str, Callable[[str], FastAPI]] = {
    "order": order.create_app,
    "payment": payment.create_app,
    "inventory": inventory.create_app,
    "shipping": shipping.create_app,
}
ITEMS = [
    {"sku": "BOOK", "quantity": 2, "unit_price_minor": 1200},
    {"sku": "PEN", "quantity": 3, "unit_price_minor": 140},
]
ORDER = {
    "order_id": "o1",
    "customer_id": "c1",
    "currency": "USD",
    "items": ITEMS,
    "total_minor": 2820,
}
SHIPMENT = {"shipment_id": "s1", "order_id": "o1", "address": "1 Main Street"}


@pytest_asyncio.fixture(loop_scope="module")
async def client(service: str, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the service that the test names."""
    async with called(FACTORIES[service](f"sqlite:///{tmp_path / 'service.db'}")) as client:
        yield client


def only(service: str) -> pytest.MarkDecorator:
    """Run a test against one service."""
    return pytest.mark.parametrize("service", [service])


@only("order")
async def test_orders(client: httpx.AsyncClient) -> None:
    wrong = ORDER | {"total_minor": 2821}
    answer = await client.post("/orders", json=wrong, headers=keyed("wrong"))
    assert problem_of(answer) == (422, "urn:problem:order:total-mismatch")

    created = await client.post("/orders", json=ORDER, headers=keyed("do"))
    assert created.status_code == 201
    assert created.json().items() >= (ORDER | {"status": "pending", "version": 1}).items()
    answer = await client.post("/orders", json=ORDER, headers=keyed("other"))
    assert problem_of(answer) == (409, "urn:problem:order:already-exists")

    shipment = {"shipment_id": "s1"}
    answer = await client.post("/orders/o9/confirm", json=shipment, headers=keyed("c9"))
    assert problem_of(answer) == (404, "about:blank")
    for key in ("c", "c again"):
        answer = await client.post("/orders/o1/confirm", json=shipment, headers=keyed(key))
        assert answer.json().items() >= {"status": "confirmed", "version": 2}.items()
    answer = await client.post(
        "/orders/o1/confirm", json={"shipment_id": "s2"}, headers=keyed("c other")
    )
    assert problem_of(answer) == (409, "urn:problem:order:already-confirmed")

    # A refused undo leaves its action standing.
    answer = await client.post("/orders/o1/cancel", json={}, headers=keyed("undo", "do"))
    assert problem_of(answer) == (409, "urn:problem:order:already-confirmed")
    again = await client.post("/orders", json=ORDER, headers=keyed("do"))
    assert (again.status_code, again.content) == (201, created.content)


@only("order")
async def test_cancelled_order_is_not_confirmed(client: httpx.AsyncClient) -> None:
    await client.post("/orders", json=ORDER, headers=keyed("do"))
    answer = await client.post("/orders/o1/cancel", json={}, headers=keyed("undo", "do"))
    assert answer.json().items() >= {"status": "cancelled", "version": 2}.items()
    assert (await client.get("/orders/o1")).json() == answer.json()
    answer = await client.post("/orders/o1/confirm", json={"shipment_id": "s1"}, headers=keyed("c"))
    assert problem_of(answer) == (409, "urn:problem:order:cancelled")


@only("payment")
@pytest.mark.parametrize(
    ("token", "status", "problem"),
    [
        ("tok_declined", 402, "urn:problem:payment:card-declined"),
        ("tok_insufficient_funds", 402, "urn:problem:payment:insufficient-funds"),
        ("tok_expired", 402, "urn:problem:payment:card-expired"),
        ("4242424242424242", 422, "urn:problem:payment:card-unknown"),
    ],
)
async def test_cards(client: httpx.AsyncClient, token: str, status: int, problem: str) -> None:
    body = calls.payment(card_token=token)
    answer = await client.post("/payments", json=body, headers=keyed("k"))
    assert problem_of(answer) == (status, problem)
    assert token not in answer.text


@only("inventory")
async def test_unknown_sku(client: httpx.AsyncClient) -> None:
    body = calls.reservation(BOOK=1, UNICORN=1)
    answer = await client.post("/reservations", json=body, headers=keyed("k"))
    assert problem_of(answer) == (422, "urn:problem:inventory:unknown-sku")
    await client.post("/reservations", json=calls.reservation(BOOK=1), headers=keyed("k2"))
    answer = await client.post("/reservations", json=calls.reservation(PEN=1), headers=keyed("k3"))
    assert problem_of(answer) == (409, "urn:problem:inventory:already-exists")
    assert problem_of(await client.get("/stock/UNICORN")) == (404, "about:blank")


@only("shipping")
async def test_shipments(client: httpx.AsyncClient) -> None:
    for number, address in enumerate(("", "  ", "Undeliverable Lane", "Middle of NOWHERE")):
        quote = await client.post("/quotes", json={"address": address})
        assert problem_of(quote) == (422, "urn:problem:shipping:undeliverable")
        body = SHIPMENT | {"address": address}
        answer = await client.post("/shipments", json=body, headers=keyed(f"k{number}"))
        assert problem_of(answer) == (422, "urn:problem:shipping:undeliverable")
    quote = await client.post("/quotes", json={"address": "1 Main Street"})
    assert quote.json()["deliverable"] is True

    created = await client.post("/shipments", json=SHIPMENT, headers=keyed("do"))
    assert created.json().items() >= {"status": "created", "version": 1}.items()
    assert created.json()["tracking_number"].startswith("TRK")
    answer = await client.post("/shipments", json=SHIPMENT, headers=keyed("other"))
    assert problem_of(answer) == (409, "urn:problem:shipping:already-exists")
    answer = await client.post("/shipments/s9/dispatch", headers=keyed("d9"))
    assert problem_of(answer) == (404, "about:blank")
    answer = await client.post("/shipments/s1/dispatch", headers=keyed("d"))
    assert answer.json().items() >= {"status": "dispatched", "version": 2}.items()
    answer = await client.post("/shipments/s1/cancel", json={}, headers=keyed("undo", "do"))
    assert problem_of(answer) == (409, "urn:problem:shipping:already-dispatched")


@only("shipping")
async def test_cancelled_shipment_is_not_dispatched(client: httpx.AsyncClient) -> None:
    await client.post("/shipments", json=SHIPMENT, headers=keyed("do"))
    answer = await client.post("/shipments/s1/cancel", json={}, headers=keyed("undo", "do"))
    assert answer.json().items() >= {"status": "cancelled", "version": 2}.items()
    answer = await client.post("/shipments/s1/dispatch", headers=keyed("d"))
    assert problem_of(answer) == (409, "urn:problem:shipping:cancelled")


@pytest.mark.parametrize("service", FACTORIES)
async def test_what_a_service_publishes(client: httpx.AsyncClient, service: str) -> None:
    assert (await client.get("/healthz")).json() == {"service": service, "status": "ok"}
    assert (await client.get("/docs")).status_code == 200
    assert problem_of(await client.get("/faults")) == (404, "about:blank")
    assert problem_of(await client.put("/healthz")) == (405, "about:blank")
    published = {entry["type"]: entry for entry in (await client.get("/problems")).json()}
    assert published["urn:problem:undone"]["refusal"]
    assert not published["urn:problem:in-progress"]["refusal"]
    schema = (await client.get("/openapi.json")).json()
    assert schema["info"]["title"] == f"{service.capitalize()} service"
    responses = [
        response["description"]
        for path in schema["paths"].values()
        for response in path.get("post", {}).get("responses", {}).values()
    ]
    for problem in published:
        assert any(problem in description.split(" / ") for description in responses), problem


@only("payment")
async def test_malformed_requests(client: httpx.AsyncClient) -> None:
    for change in (
        {"amount_minor": -1},
        {"amount_minor": "2820"},
        {"currency": "usd"},
        {"payment_id": "a/b"},
        {"order_id": "nul\x00"},
        {"customer_id": None},
    ):
        answer = await client.post("/payments", json=calls.payment(**change), headers=keyed("k"))
        assert problem_of(answer) == (400, "urn:problem:invalid-request")
    answer = await client.post(
        "/payments",
        content=b"{",
        headers=keyed("k") | {"Content-Type": "application/json"},
    )
    assert problem_of(answer) == (400, "urn:problem:invalid-request")


@only("payment")
async def test_correlation(client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "services.requests")
    traced = {"X-Correlation-ID": "order-o1", "X-Causation-ID": "cause"}
    answer = await client.post("/payments", json=calls.payment(), headers=keyed("k") | traced)
    assert answer.headers.items() >= {name.lower(): traced[name] for name in traced}.items()
    [line] = caplog.messages
    assert line == (
        "service=payment method=POST path=/payments status=201 key=k "
        "correlation_id=order-o1 causation_id=cause"
    )
