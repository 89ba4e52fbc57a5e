"""With 100,000 sagas each query is answered by way of an index, and reads no more than it shows."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import date, datetime

import pytest
import pytest_asyncio
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col, select

from read_model.database import open_database
from read_model.migration import migrate
from read_model.queries import Days, ReadModel
from read_model.tables import SagaRow
from saga import Status
from tests.postgres import postgres_database

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROWS = 100_000
LIMIT = 20
NEWEST = "2026-03-11T10:39:00+00:00"
STARTED = {
    # A saga a minute, from the first of January on.
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f000', '2026-01-01', '+' || i || ' minutes')",
    "postgresql": "timestamptz '2026-01-01 00:00+00' + i * interval '1 minute'",
}
FILL = """
    WITH RECURSIVE number(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM number WHERE i < :last)
    INSERT INTO sagas (saga_id, saga_type, business_id, customer_id, status, stuck_since,
                       amount_minor, currency, version, epoch, position, correlation_id, steps,
                       started_at, updated_at)
    SELECT kind || '-' || i, kind, i, 'c-' || (i % 997), status,
           CASE status WHEN 'stuck' THEN instant END,
           i, CASE i % 3 WHEN 0 THEN 'EUR' ELSE 'USD' END, 1, 1, 1, 'r-' || i, '[]',
           instant, instant
    FROM (SELECT i, {started} AS instant,
                 CASE i % 499 WHEN 0 THEN 'trip' ELSE 'order' END AS kind,
                 CASE WHEN i % 1009 = 0 THEN 'stuck' WHEN i % 101 = 0 THEN 'compensated'
                      WHEN i > 99950 THEN 'running' ELSE 'completed' END AS status
          FROM number) AS sagas_to_be
"""


@dataclass(frozen=True)
class Full:
    """A database with many sagas."""

    backend: str
    engine: AsyncEngine

    async def asked(self, question: Callable[[ReadModel], Awaitable[object]]) -> "list[Plan]":
        """How the database carries out the statements of a question."""
        statements: list[tuple[str, tuple[object, ...]]] = []

        def note(_c: object, _k: object, sql: str, values: tuple[object, ...], *_: object) -> None:
            if "SELECT" in sql and "sagas" in sql:
                statements.append((sql, values))

        event.listen(self.engine.sync_engine, "before_cursor_execute", note)
        try:
            await question(ReadModel(self.engine))
        finally:
            event.remove(self.engine.sync_engine, "before_cursor_execute", note)
        explain = _sqlite if self.backend == "sqlite" else _postgres
        return [await explain(self.engine, *it) for it in statements]


@dataclass(frozen=True)
class Plan:
    """How one statement is carried out."""

    text: str
    scans: int
    """How often the whole table, or the whole of an index, is read."""
    sorts: int
    read: int | None
    """How many rows are read, where the database tells."""


async def _sqlite(engine: AsyncEngine, sql: str, values: tuple[object, ...]) -> Plan:
    async with engine.connect() as connected:
        rows = await connected.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)
        steps = [str(row.detail) for row in rows]
    # What is read in an index's order up to the limit is a scan too, by its name.
    in_order = [it for it in steps if it.startswith("SCAN") and "USING INDEX" in it]
    scans = sum(it.startswith("SCAN") for it in steps) - (len(in_order) if "LIMIT" in sql else 0)
    return Plan("; ".join(steps), scans, sum("TEMP B-TREE" in it for it in steps), None)


async def _postgres(engine: AsyncEngine, sql: str, values: tuple[object, ...]) -> Plan:
    async with engine.connect() as connected:
        explained = await connected.exec_driver_sql(
            f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}", values
        )
        told = explained.scalar_one()
    root = (json.loads(told) if isinstance(told, str) else told)[0]["Plan"]
    nodes = list(_nodes(root))
    kinds = [str(node["Node Type"]) for node in nodes]
    leaves = [node for node in nodes if "Plans" not in node]
    return Plan(
        json.dumps(root),
        kinds.count("Seq Scan"),
        sum("Sort" in kind for kind in kinds),
        sum(
            int(node["Actual Rows"]) + int(node.get("Rows Removed by Filter", 0)) for node in leaves
        ),
    )


def _nodes(node: Mapping[str, object]) -> "list[dict[str, float]]":
    below = node.get("Plans", [])
    assert isinstance(below, list)
    return [dict(node), *(it for child in below for it in _nodes(child))]  # type: ignore[arg-type]


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=["sqlite", "postgresql"])
async def full(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Full]:
    """The sagas, put into an empty database by one statement."""
    backend: str = request.param
    async with AsyncExitStack() as stack:
        if backend == "sqlite":
            url = f"sqlite:///{tmp_path_factory.mktemp('full') / 'read.db'}"
        else:
            server: str = request.getfixturevalue("postgres_url")
            url = await stack.enter_async_context(postgres_database(server))
        engine = open_database(url)
        stack.push_async_callback(engine.dispose)
        await migrate(engine)
        async with engine.connect() as connected:
            fill = FILL.format(started=STARTED[backend])
            await connected.execute(text(fill), {"last": ROWS - 1})
            if backend == "postgresql":
                # SQLite is asked without statistics, as nobody gathers them there.
                await connected.execute(text("ANALYZE sagas"))
        yield Full(backend, engine)


ORDERS, COMPLETED = {"saga_type": "order"}, {"status": Status.COMPLETED}
LISTS: dict[str, tuple[dict[str, object], str]] = {
    "all": ({}, "started"),
    "type": ({**ORDERS}, "type"),
    "rare type": ({"saga_type": "trip"}, "type"),
    "customer": ({"customer_id": "c-5"}, "customer"),
    "status": ({**COMPLETED}, "status"),
    "rare status": ({"status": Status.RUNNING}, "status"),
    "type, status": ({**ORDERS, "status": Status.COMPENSATED}, "type_status"),
    "rare type, status": ({**COMPLETED, "saga_type": "trip"}, "type_status"),
    "type, customer": ({**ORDERS, "customer_id": "c-5"}, "customer"),
    "all three": ({**ORDERS, **COMPLETED, "customer_id": "c-5"}, "customer"),
}
"""What is asked for, and the index that SQLite takes; PostgreSQL goes by its statistics."""


@pytest.mark.parametrize(("filters", "index"), LISTS.values(), ids=LISTS)
async def test_a_page_is_read_from_an_index(
    full: Full, filters: dict[str, object], index: str
) -> None:
    async def two_pages(model: ReadModel) -> None:
        page = await model.sagas(**filters, limit=LIMIT)  # type: ignore[arg-type]
        assert len(page.rows) == LIMIT
        instants = [row.started_at for row in page.rows]
        assert instants == sorted(instants, reverse=True)
        rest = await model.sagas(**filters, limit=LIMIT, after=page.next)  # type: ignore[arg-type]
        assert rest.rows

    plans = await full.asked(two_pages)
    assert len(plans) == 2
    for plan in plans:
        assert (plan.scans, plan.sorts) == (0, 0), plan.text
        if plan.read is None:
            assert plan.text.split()[4] == f"ix_sagas_{index}", plan.text
        else:
            # It may filter a few out: what nearly all rows are needs no index to be found.
            assert plan.read <= 10 * LIMIT, plan.text


async def test_a_page_far_behind_reads_no_more(full: Full) -> None:
    async def deep(model: ReadModel) -> None:
        first = await model.sagas(limit=1)
        assert first.rows[0].started_at == datetime.fromisoformat(NEWEST)
        listing = await model.sagas(saga_type="order", limit=1)
        assert listing.next is not None
        for _ in range(3):
            listing = await model.sagas(saga_type="order", limit=1000, after=listing.next)

    *_, last = await full.asked(deep)
    assert (last.scans, last.sorts) == (0, 0), last.text
    assert last.read is None or last.read <= 1010, last.text


QUESTIONS: dict[str, Callable[[ReadModel], Awaitable[object]]] = {
    "by id": lambda model: model.by_id("order-77"),
    "by business id": lambda model: model.saga("order", "77"),
    "statuses": lambda model: model.statuses([f"order-{number}" for number in range(1, 50)]),
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
async def test_one_saga_is_found_by_an_index(
    full: Full, question: Callable[[ReadModel], Awaitable[object]]
) -> None:
    (plan,) = await full.asked(question)
    assert (plan.scans, plan.sorts) == (0, 0), plan.text
    assert plan.read is None or plan.read < 50, plan.text


STUCK: dict[str, Callable[[ReadModel], Awaitable[object]]] = {
    "stuck": lambda model: model.stuck(),
    "stuck of a type": lambda model: model.stuck(saga_type="trip"),
    "at risk": lambda model: model.at_risk(),
}


@pytest.mark.parametrize("question", STUCK.values(), ids=STUCK)
async def test_what_is_stuck_is_all_that_is_read_and_sorted(
    full: Full, question: Callable[[ReadModel], Awaitable[object]]
) -> None:
    (plan,) = await full.asked(question)
    assert plan.scans == 0, plan.text
    assert plan.read is None or plan.read <= ROWS / 1000, plan.text
    assert full.backend == "postgresql" or "status=?" in plan.text, plan.text


@pytest.mark.parametrize("saga_type", [None, "order", "trip"])
async def test_totals_read_the_days_that_are_asked_for(full: Full, saga_type: str | None) -> None:
    day = date(2026, 2, 1)

    async def week(model: ReadModel) -> None:
        totals = await model.totals(Days(day, day.replace(day=7)), saga_type=saga_type)
        assert {it.day.day for it in totals} == {1, 2, 3, 4, 5, 6, 7}
        if saga_type is None:
            assert sum(it.sagas for it in totals) == 7 * 24 * 60

    (plan,) = await full.asked(week)
    assert plan.scans == 0, plan.text
    assert plan.read is None or plan.read <= 7 * 24 * 60, plan.text
    assert full.backend == "postgresql" or "started_at>? AND started_at<?" in plan.text, plan.text


async def test_a_query_without_an_index_is_noticed(full: Full) -> None:
    query = select(SagaRow).order_by(col(SagaRow.updated_at)).limit(LIMIT)
    (plan,) = await full.asked(lambda model: model._rows(query))
    assert (plan.scans, plan.sorts) == (1, 1), plan.text
