"""Queries find what is asked for, the newest first, with the help of an index."""

from datetime import timedelta

import pytest
import pytest_asyncio
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine

from read_model.projector import SagaProjector
from read_model.queries import AtRisk, ReadModel
from saga import Status
from tests.read_model.states import START, compensated, completed, stuck


@pytest_asyncio.fixture
async def read_model(engine: AsyncEngine) -> ReadModel:
    """Five sagas: orders a to c and the transfer t, started in that order, and `o-2` before."""
    projector = SagaProjector(engine)
    for hours, (name, kind, customer) in enumerate(
        [("a", "order", "c-1"), ("b", "order", "c-2"), ("c", "order", "c-1"), ("t", "move", None)]
    ):
        states = completed(
            name, saga_type=kind, customer_id=customer, start=START + timedelta(hours=hours + 1)
        )
        await projector.project(states[2] if name == "b" else states[-1])
    await projector.project(compensated())
    return ReadModel(engine)


@pytest.mark.asyncio
async def test_one_saga(read_model: ReadModel) -> None:
    row = await read_model.saga("order", "a")
    assert row is not None
    assert row.saga_id == "order-a"
    assert await read_model.by_id("order-a") == row
    assert await read_model.saga("order", "t") is None
    assert await read_model.by_id("order-t") is None


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("saga_type", "customer_id", "status", "limit", "found"),
    [
        (None, None, None, 20, ["t", "c", "b", "a", "o-2"]),
        (None, None, None, 2, ["t", "c"]),
        ("order", None, None, 20, ["c", "b", "a", "o-2"]),
        (None, "c-1", None, 20, ["c", "a", "o-2"]),
        (None, "c-1", None, 1, ["c"]),
        (None, None, Status.RUNNING, 20, ["b"]),
        ("order", "c-1", Status.COMPLETED, 20, ["c", "a"]),
        ("order", "c-9", None, 20, []),
    ],
)
async def test_sagas(
    read_model: ReadModel,
    saga_type: str | None,
    customer_id: str | None,
    status: Status | None,
    limit: int,
    found: list[str],
) -> None:
    rows = await read_model.sagas(
        saga_type=saga_type, customer_id=customer_id, status=status, limit=limit
    )
    assert [row.business_id for row in rows] == found


@pytest_asyncio.fixture
async def needing(engine: AsyncEngine) -> ReadModel:
    """Four sagas that need a person, the orders b and a and two trips, and one that does not."""
    projector = SagaProjector(engine)
    for hours, (name, kind, money) in enumerate(
        [
            ("b", "order", (10**17, "USD")),
            ("a", "order", (10**17, "USD")),
            ("t", "trip", (500, "EUR")),
            ("u", "trip", None),
        ]
    ):
        start = START + timedelta(hours=hours)
        state = stuck(business_id=name, saga_type=kind, money=money, start=start)
        await projector.project(state)
    await projector.project(compensated())
    return ReadModel(engine)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("saga_type", "limit", "found"),
    [(None, 20, ["b", "a", "t", "u"]), (None, 1, ["b"]), ("trip", 20, ["t", "u"]), ("x", 20, [])],
)
async def test_what_needs_a_person_comes_with_the_oldest_first(
    needing: ReadModel, saga_type: str | None, limit: int, found: list[str]
) -> None:
    rows = await needing.stuck(saga_type=saga_type, limit=limit)
    assert [row.business_id for row in rows] == found


@pytest.mark.asyncio
async def test_a_later_event_makes_no_saga_younger(engine: AsyncEngine) -> None:
    old, young = (
        stuck(business_id="old"),
        stuck(business_id="new", start=START + timedelta(hours=1)),
    )
    tried_again = old.model_copy(
        update={"updated_at": START + timedelta(hours=2), "position": 9, "version": 9}
    )
    for state in (young, tried_again):
        await SagaProjector(engine).project(state)
    assert [it.business_id for it in await ReadModel(engine).stuck()] == ["old", "new"]


@pytest.mark.asyncio
async def test_sums_at_risk_are_by_currency(needing: ReadModel) -> None:
    every = await needing.at_risk()
    assert sorted(every, key=lambda it: it.currency or "") == [
        AtRisk(None, 1, None),
        AtRisk("EUR", 1, 500),
        AtRisk("USD", 2, 2 * 10**17),
    ]
    assert await needing.at_risk(saga_type="order") == [AtRisk("USD", 2, 2 * 10**17)]
    assert await needing.at_risk(saga_type="x") == []


@pytest.mark.asyncio
async def test_statuses_of_those_that_have_a_row(needing: ReadModel) -> None:
    assert await needing.statuses(["order-a", "order-o-2", "order-none"]) == {
        "order-a": Status.STUCK,
        "order-o-2": Status.COMPENSATED,
    }


@pytest.mark.asyncio
async def test_what_one_request_has_caused(read_model: ReadModel) -> None:
    everything = ["move-t", "order-c", "order-b", "order-a", "order-o-2"]
    assert await read_model.correlated("request-7") == everything
    assert await read_model.correlated("request-7", limit=2) == everything[:2]
    assert await read_model.correlated("request-8") == []


@pytest.mark.asyncio
async def test_sagas_started_at_once_come_in_the_order_of_their_ids(engine: AsyncEngine) -> None:
    for name in "cab":
        await SagaProjector(engine).project(completed(name)[-1])
    rows = await ReadModel(engine).sagas()
    assert [row.business_id for row in rows] == ["a", "b", "c"]


@pytest.mark.asyncio
@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_no_query_sorts_or_reads_the_whole_table(engine: AsyncEngine) -> None:
    asked: list[tuple[str, tuple[object, ...]]] = []

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def note(_c: object, _k: object, sql: str, values: tuple[object, ...], *_: object) -> None:
        asked.append((sql, values))

    queries = ReadModel(engine)
    await queries.sagas(saga_type="order")
    await queries.sagas(customer_id="c-1")
    await queries.saga("order", "a")
    await queries.by_id("order-a")
    event.remove(engine.sync_engine, "before_cursor_execute", note)
    selects = [it for it in asked if it[0].startswith("SELECT")]
    assert len(selects) == 4
    async with engine.connect() as connected:
        for sql, values in selects:
            plan = await connected.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)
            steps = [row.detail for row in plan]
            assert len(steps) == 1, steps
            assert "USING INDEX" in steps[0], steps
        assert await connected.scalar(text("PRAGMA journal_mode")) == "wal"
        assert await connected.scalar(text("PRAGMA synchronous")) == 1
