"""The query side alone, on both databases; and what OpenAPI says of both sides."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from api.application import application
from api.correlation import CorrelationMiddleware
from api.problems import install_problems
from api.queries import install_queries
from contracts.asyncapi import order_messages
from read_model.database import open_database
from read_model.projector import SagaProjector
from read_model.queries import ReadModel
from runtime.settings import Settings
from saga import Status
from tests.api.callers import caller, problem_of
from tests.read_model.states import START, completed, stuck

pytestmark = pytest.mark.asyncio(loop_scope="session")

TAKEN = "taken"


def query_side(engine: AsyncEngine) -> FastAPI:
    async def accepted(order_id: str) -> Status | None:
        if order_id == "bug":
            raise RuntimeError("secret")
        return Status.PAUSED if order_id == TAKEN else None

    app = FastAPI()
    install_problems(app)
    install_queries(app, ReadModel(engine), accepted)
    app.add_middleware(CorrelationMiddleware)
    return app


@pytest_asyncio.fixture(loop_scope="session")
async def api(engine: AsyncEngine) -> AsyncIterator[httpx.AsyncClient]:
    """Orders a, b and c of one customer, and an order and a trip that are stuck."""
    projector = SagaProjector(engine)
    for hours, name in enumerate("abc"):
        start = START + timedelta(hours=hours)
        await projector.project(completed(name, customer_id="mine", start=start)[-1])
    await projector.project(stuck(business_id="d"))
    await projector.project(stuck(business_id="t", saga_type="trip", money=None))
    async with caller(query_side(engine)) as api:
        yield api


async def test_an_order(api: httpx.AsyncClient) -> None:
    order = await api.get("/orders/a")
    assert (order.status_code, order.json()["order_id"]) == (200, "a")
    taken = await api.get(f"/orders/{TAKEN}")
    assert (taken.status_code, taken.json()["status"]) == (202, "paused")
    assert problem_of(await api.get("/orders/t"))[0] == 404
    assert problem_of(await api.get("/orders/a%20b"))[0] == 422


async def test_pages_of_a_customers_orders(api: httpx.AsyncClient) -> None:
    path = "/customers/mine/orders"
    first = (await api.get(path, params={"limit": 2})).json()
    assert [it["order_id"] for it in first["orders"]] == ["c", "b"]
    second = (await api.get(path, params={"limit": 2, "after": first["next"]})).json()
    assert [it["order_id"] for it in second["orders"]] == ["a"]
    assert second["next"] is None
    assert (await api.get("/customers/none/orders")).json() == {"orders": [], "next": None}
    running = (await api.get(path, params={"status": "running"})).json()
    assert running["orders"] == []


async def test_sagas_by_type_and_status(api: httpx.AsyncClient) -> None:
    every = (await api.get("/sagas", params={"status": "stuck"})).json()["sagas"]
    assert [(it["saga_id"], it.get("order_id")) for it in every] == [
        ("order-d", "d"),
        ("trip-t", None),
    ]
    trips = (await api.get("/sagas", params={"status": "stuck", "type": "trip"})).json()["sagas"]
    assert [it["saga_id"] for it in trips] == ["trip-t"]
    assert trips[0]["failure"]["step"] == "confirm"
    assert len((await api.get("/sagas")).json()["sagas"]) == 5


async def test_totals(api: httpx.AsyncClient) -> None:
    asked = {"since": "2026-03-01", "until": "2026-03-01", "type": "order"}
    assert (await api.get("/totals", params=asked)).json() == {
        "since": "2026-03-01",
        "until": "2026-03-01",
        "totals": [
            {
                "day": "2026-03-01",
                "status": "stuck",
                "sagas": 1,
                "total": {"amount": "28.20", "currency": "USD"},
            },
            {
                "day": "2026-03-01",
                "status": "completed",
                "sagas": 3,
                "total": {"amount": "84.60", "currency": "USD"},
            },
        ],
    }


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("/sagas?limit=0", "query.limit: "),
        ("/sagas?limit=1001", "query.limit: "),
        ("/sagas?status=done", "query.status: "),
        ("/sagas?type=a'b", "query.type: "),
        ("/sagas?after=x", "query.after: this is no cursor"),
        ("/customers/mine/orders?after=", "query.after: this is no cursor"),
        ("/totals?since=now", "query.since: "),
        ("/totals?since=2020-01-01&until=2026-01-01", "query.since, query.until: 2020-01-01 "),
        ("/totals?since=2026-01-02&until=2026-01-01", "query.since, query.until: no day"),
    ],
)
@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_a_bad_question_is_told(api: httpx.AsyncClient, path: str, detail: str) -> None:
    told = problem_of(await api.get(path))
    assert told[:2] == (422, "urn:problem:invalid-request")
    assert told[2].startswith(detail)


async def test_a_cursor_of_another_list_is_told(api: httpx.AsyncClient) -> None:
    cursor = (await api.get("/sagas", params={"limit": 1})).json()["next"]
    answer = await api.get("/customers/mine/orders", params={"after": cursor})
    assert problem_of(answer)[2].startswith("query.after: this cursor is another list's")


async def test_tables_may_not_be_there_yet(empty: AsyncEngine) -> None:
    async with caller(query_side(empty)) as api:
        answer = await api.get("/orders/a")
    assert problem_of(answer)[:2] == (503, "urn:problem:unavailable")
    assert answer.headers["retry-after"] == "5"


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_a_bug_shows_nothing_of_itself(api: httpx.AsyncClient) -> None:
    answer = await api.get("/orders/bug", headers={"X-Correlation-ID": "request-9"})
    assert problem_of(answer)[:2] == (500, "about:blank")
    assert answer.headers["x-correlation-id"] == "request-9"
    for inner in ("secret", "Traceback", "RuntimeError"):
        assert inner not in answer.text


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_other_paths_and_methods(api: httpx.AsyncClient) -> None:
    assert problem_of(await api.get("/nowhere"))[:2] == (404, "about:blank")
    answer = await api.delete("/orders/a")
    assert problem_of(answer)[:2] == (405, "about:blank")
    assert answer.headers["allow"] == "GET"


async def test_openapi_says_what_there_is(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'read.db'}")
    client = await Client.connect("127.0.0.1:1", lazy=True)
    app = application(client, engine, Settings(saga_home=tmp_path))
    document = app.openapi()
    async with caller(app) as served:
        assert (await served.get("/asyncapi.json")).json() == order_messages()
    await engine.dispose()
    said = {
        (method, path): {
            status: next(iter(answer["content"]))
            for status, answer in sorted(operation["responses"].items())
        }
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    json_, problem = "application/json", "application/problem+json"
    refused = {"422": problem, "503": problem}
    assert said == {
        ("post", "/orders"): {"202": json_, "409": problem, "413": problem, "415": problem}
        | refused,
        ("get", "/orders/{order_id}"): {"200": json_, "202": json_, "404": problem} | refused,
        ("get", "/customers/{customer_id}/orders"): {"200": json_} | refused,
        ("get", "/sagas"): {"200": json_} | refused,
        ("get", "/totals"): {"200": json_} | refused,
        ("get", "/healthz"): {"200": json_, "503": problem},
        ("get", "/asyncapi.json"): {"200": json_},
    }
    schemas = document["components"]["schemas"]
    models = {"Placed", "OrderView", "AcceptedOrder", "OrdersPage", "SagasPage", "TotalsView"}
    assert models <= schemas.keys()
    order = document["paths"]["/orders"]["post"]["requestBody"]["content"][json_]["schema"]
    assert set(order["required"]) == {"customer_id", "items", "card_token", "ship_to"}
    assert "unit_price" in order["properties"]["items"]["items"]["properties"]
    for part in json.dumps(document).split('"$ref": "')[1:]:
        kind, name = part.partition('"')[0].rsplit("/", 1)
        assert kind == "#/components/schemas"
        assert name in schemas
