"""Orders placed over HTTP, and read back, on a real server with a real worker."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from api import application as composed
from api import commands
from contracts.sagas import ORDER as KIND
from read_model.database import open_database
from read_model.migration import migrate
from saga import SagaInput, Sagas, read_saga
from tests.api.callers import ORDER, api_of, problem_of
from tests.cli.shop import ORDER as OPTIONS
from tests.cli.shop import Shop
from tests.integration.proxy import proxy_to
from tests.matrix.order_subject import place_order

pytestmark = pytest.mark.asyncio(loop_scope="session")

AWAY = "postgresql://reader:secret@127.0.0.1:1/orders"


@pytest_asyncio.fixture(loop_scope="session")
async def api(shop: Shop) -> AsyncIterator[httpx.AsyncClient]:
    async with api_of(shop) as api:
        yield api


async def place(
    api: httpx.AsyncClient, *, headers: Mapping[str, str] | None = None, **changes: object
) -> httpx.Response:
    return await api.post("/orders", json={**ORDER, **changes}, headers=headers)


async def test_an_order_is_placed_and_read_back(api: httpx.AsyncClient, shop: Shop) -> None:
    placed = await place(api, headers={"X-Correlation-ID": "request-7"})
    order_id = placed.json()["order_id"]
    assert placed.status_code == 202
    assert placed.json() == {
        "order_id": order_id,
        "saga_id": f"order-{order_id}",
        "saga_type": "order",
        "business_id": order_id,
        "new": True,
    }
    assert placed.headers["x-correlation-id"] == "request-7"
    seen = await api.get(placed.headers["location"])
    assert seen.status_code in {200, 202}
    await shop.has_projected(order_id)
    order = await api.get(placed.headers["location"])
    assert order.status_code == 200
    assert order.json()["status"] == "completed"
    assert order.json()["total"] == {"amount": "28.20", "currency": "USD"}
    assert order.json()["correlation_id"] == "request-7"
    # One document, whoever asks.
    told = await shop.run("status", order_id, "--json")
    assert order.json() == json.loads(told.out)


async def test_an_order_is_placed_once(api: httpx.AsyncClient, shop: Shop) -> None:
    order_id = str(uuid4())
    answers = await asyncio.gather(*(place(api, order_id=order_id) for _ in range(5)))
    assert {it.status_code for it in answers} == {202}
    assert sorted(it.json()["new"] for it in answers) == [False] * 4 + [True]
    assert {it.headers["location"] for it in answers} == {f"/orders/{order_id}"}
    again = await shop.run("place-order", *OPTIONS, "--order-id", order_id, "--json")
    assert json.loads(again.out)["new"] is False
    other = await place(api, order_id=order_id, ship_to="2 Main St, Springfield")
    assert problem_of(other)[:2] == (409, "urn:problem:different-order")
    await shop.has_projected(order_id)


async def test_an_order_beyond_retention_is_not_placed_again(
    api: httpx.AsyncClient, shop: Shop
) -> None:
    order_id = (await place(api)).json()["order_id"]
    await shop.has_projected(order_id)
    twin = await shop.forgotten_twin(order_id)
    again = await place(api, order_id=twin)
    assert (again.status_code, again.json()["new"]) == (202, False)
    other = await place(api, order_id=twin, customer_id="C-2")
    assert problem_of(other)[:2] == (409, "urn:problem:different-order")
    assert await Sagas(shop.env.client, shop.task_queue).find(f"order-{twin}") is None


async def test_an_order_too_new_to_be_projected_is_accepted(closed_shop: Shop) -> None:
    engine = open_database(closed_shop.database_url)
    await migrate(engine)
    await engine.dispose()
    async with api_of(closed_shop) as api:
        placed = await place(api)
        order_id = placed.json()["order_id"]
        seen = await api.get(placed.headers["location"])
        assert (seen.status_code, seen.headers["retry-after"]) == (202, "1")
        assert seen.json() == {
            "order_id": order_id,
            "saga_id": f"order-{order_id}",
            "saga_type": "order",
            "business_id": order_id,
            "status": "running",
            "version": 0,
        }
        await closed_shop.env.client.get_workflow_handle(f"order-{order_id}").terminate()
        assert (await api.get(placed.headers["location"])).json()["status"] == "terminated"
        none = await api.get("/orders/none")
        assert problem_of(none)[:2] == (404, "urn:problem:unknown-order")
        assert "retry-after" not in none.headers


async def test_what_caused_an_order_is_kept(api: httpx.AsyncClient, shop: Shop) -> None:
    ids = {"X-Correlation-ID": "request-8", "X-Causation-ID": "page-9"}
    placed = await place(api, headers=ids)
    await shop.has_projected(placed.json()["order_id"])
    history = await read_saga(shop.env.client, placed.json()["saga_id"])
    assert history is not None
    started = history.events[0]
    assert (started.correlation_id, started.causation_id) == ("request-8", "page-9")


async def test_a_correlation_id_is_made_where_none_is_given(
    api: httpx.AsyncClient, shop: Shop
) -> None:
    placed = await place(api)
    made = placed.headers["x-correlation-id"]
    assert made
    state = await Sagas(shop.env.client, shop.task_queue).state(placed.json()["saga_id"])
    assert state.correlation_id == made


@pytest.mark.parametrize("broken", ["", "two words", "-", "a" * 101])
async def test_a_broken_correlation_id_is_told(api: httpx.AsyncClient, broken: str) -> None:
    answer = await place(api, headers={"X-Correlation-ID": broken})
    status, kind, detail = problem_of(answer)
    assert (status, kind) == (422, "urn:problem:invalid-request")
    assert "x-correlation-id" in detail
    assert answer.headers["x-correlation-id"] not in {broken, ""}


LESS = {name: value for name, value in ORDER.items() if name != "ship_to"}


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (json.dumps(LESS), 422, "ship_to: is missing"),
        (json.dumps({**ORDER, "items": []}), 422, "items: must have at least 1 (got 0)"),
        (json.dumps({**ORDER, "order_id": "a b"}), 422, "order_id: must be letters and digits, "),
        (json.dumps({**ORDER, "cust": 1}), 422, "cust: is no field of an order"),
        (json.dumps({**ORDER, "schema_version": 9}), 422, "schema_version: 9 is not known here"),
        (
            json.dumps(ORDER).replace("3.2", "3.20000000000000001"),
            *(422, "items[1].unit_price: 3.20000000000000001 USD is finer than the smallest"),
        ),
        ('{"ship_to": "a", "ship_to": "b"}', 422, "no order: 'ship_to' stands twice"),
        ("[]", 422, "no order: it must be one JSON object"),
        ("", 422, "no JSON: "),
        ("{" * 100_000, 422, "no "),
        (" " * 1_000_001, 413, "An order has at most 1000000 bytes."),
    ],
)
async def test_a_bad_order_is_told(
    api: httpx.AsyncClient, body: str, status: int, detail: str
) -> None:
    answer = await api.post("/orders", content=body, headers={"Content-Type": "application/json"})
    told = problem_of(answer)
    assert told[0] == status
    assert told[2].startswith(detail)
    assert told[1] == ("urn:problem:invalid-request" if status == 422 else "about:blank")


@pytest.mark.parametrize("kind", ["Application/JSON", "application/json ; charset=utf-8"])
async def test_json_by_any_spelling_of_its_name(api: httpx.AsyncClient, kind: str) -> None:
    answer = await api.post("/orders", content="{}", headers={"Content-Type": kind})
    assert problem_of(answer)[0] == 422


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
async def test_what_is_no_json_is_refused(api: httpx.AsyncClient, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    answer = await api.post("/orders", content=json.dumps(ORDER), headers=headers)
    assert problem_of(answer)[:2] == (415, "about:blank")


async def test_orders_are_taken_while_the_read_database_is_away(shop: Shop) -> None:
    async with api_of(shop, database_url=AWAY) as api:
        placed = await place(api, order_id=str(uuid4()))
        assert placed.status_code == 202
        for path in (placed.headers["location"], "/sagas", "/customers/c/orders", "/totals"):
            answer = await api.get(path)
            assert problem_of(answer)[:2] == (503, "urn:problem:unavailable")
            assert answer.headers["retry-after"] == "5"
            assert "secret" not in answer.text
        health = await api.get("/healthz")
        assert problem_of(health)[2] == "No answer from the read database."


async def test_an_order_of_newer_code_is_no_outage_of_the_read_database(
    api: httpx.AsyncClient, shop: Shop
) -> None:
    order_id = str(uuid4())
    start = SagaInput(command=place_order(order_id)).model_dump(mode="json")
    start["command"]["schema_version"] = 9
    handle = await shop.env.client.start_workflow(
        KIND.workflow, start, id=f"order-{order_id}", task_queue="nobody"
    )
    answer = await place(api, order_id=order_id)
    assert problem_of(answer)[:2] == (503, "urn:problem:unavailable")
    assert problem_of(answer)[2].startswith(f"Newer code has placed order {order_id}")
    assert answer.json()["order_id"] == order_id
    await handle.terminate("it was of newer code")


async def test_temporal_may_be_away(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "TIME_LIMIT_SECONDS", 0.2)
    monkeypatch.setattr(composed, "HEALTH_SECONDS", 0.2)
    async with proxy_to(shop.env.client.service_client.config.target_host) as proxy:
        client = await Client.connect(
            f"127.0.0.1:{proxy.port}", data_converter=pydantic_data_converter
        )
        async with api_of(shop, client=client) as api:
            await proxy.hang()
            answer = await place(api)
            assert problem_of(answer)[:2] == (503, "urn:problem:unavailable")
            assert answer.headers["retry-after"] == "5"
            assert answer.json()["order_id"]
            await proxy.refuse()
            assert problem_of(await api.get("/orders/none"))[0] == 503
            assert (await api.get("/sagas")).status_code == 200
            health = await api.get("/healthz")
            assert problem_of(health)[2] == "No answer from Temporal."


async def test_health(api: httpx.AsyncClient) -> None:
    answer = await api.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
