"""Events are kept with their saga's row, once each, and come back as they were told."""

import asyncio
import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from read_model.database import transaction
from read_model.event_store import EventStore
from read_model.projector import SagaProjector, Told, write
from read_model.queries import ReadModel
from read_model.tables import EVENTS
from saga import Direction, Event, SagaState, fold
from tests.read_model.kept import rows
from tests.read_model.states import EPOCH, Booked, Log, a_log, log_of

pytestmark = pytest.mark.asyncio


def batches(log: Log, size: int) -> list[tuple[SagaState, Log]]:
    """The log as a pump hands it over."""
    ends = range(size, len(log) + size, size)
    return [(fold(log[:end]), log[end - size : end]) for end in ends]


def told(events: Sequence[Event[Any]]) -> list[dict[str, Any]]:
    return [it.model_dump(mode="json") for it in events]


async def test_the_events_come_back_as_they_were_told(engine: AsyncEngine) -> None:
    log = a_log()
    cause = log[1].model_copy(update={"causation_id": log[0].event_id})
    log[1] = cause
    for state, events in batches(log, 2):
        await SagaProjector(engine).project(state, events)
    kept = await EventStore(engine).events_of("order-o-1")
    assert told(kept) == told(log)
    assert fold(kept) == fold(log)
    assert [row["version"] for row in await rows(engine)] == [it.version for it in log]
    assert await EventStore(engine).events_of("order-none") == []


async def test_batches_again_and_out_of_order_change_nothing(engine: AsyncEngine) -> None:
    log = a_log()
    handed = [batch for size in (1, 2, 3, 6) for batch in batches(log, size)]
    random.Random(5).shuffle(handed)
    for state, events in handed:
        await SagaProjector(engine).project(state, list(reversed(events)))
    before = await rows(engine)
    assert told(await EventStore(engine).events_of("order-o-1")) == told(log)
    for state, events in handed:
        await SagaProjector(engine).project(state, events)
    assert await rows(engine) == before
    row = await ReadModel(engine).by_id("order-o-1")
    assert row is not None
    assert (row.position, row.version, row.status) == (5, 6, "completed")


async def test_the_same_batches_at_once_fail_nobody(engine: AsyncEngine) -> None:
    logs = [a_log(f"{n}") for n in range(5)]
    # Facts that several sagas share, told by each in another order.
    shared = [Booked(thing=f"shared-{n}") for n in range(4)]
    for n, log in enumerate(logs):
        told_of = shared[n:] + shared[:n]
        extra = log_of(
            log[0].saga_id, [(it, "zip", Direction.DO) for it in told_of], epoch=EPOCH + 1
        )
        log += [it.model_copy(update={"version": 1}) for it in extra]
    handed = [batch for log in logs for size in (3, 10) for batch in batches(log, size)] * 2
    random.Random(3).shuffle(handed)

    async def all_together() -> None:
        async with transaction(engine) as connected:
            await write(connected, [Told(fold(log), log) for log in logs])

    projector = SagaProjector(engine)
    await asyncio.gather(
        *(projector.project(*batch) for batch in handed), *(all_together() for _ in range(3))
    )
    assert told(await EventStore(engine).events_of("order-0")) == told(logs[0])
    kept = await rows(engine)
    assert len(kept) == 5 * 10
    for n in range(4):
        versions = [row["version"] for row in kept if row["aggregate_id"] == f"shared-{n}"]
        assert sorted(versions, key=str) == [1, None, None, None, None]


async def test_a_fact_that_is_heard_twice_is_kept_twice(engine: AsyncEngine) -> None:
    log = a_log()
    again = [it.model_copy(update={"epoch": EPOCH + 60_000}) for it in log[2:5]]
    other = log[2].model_copy(update={"position": 9, "aggregate_type": "Another"})
    both = [*log, other, *again]
    # In one batch as in several; of two in one batch the earlier has the version.
    for split in (len(log), 0, len(both)):
        async with engine.connect() as connected:
            await connected.execute(EVENTS.delete())
        for events in (both[:split], both[split:]):
            await SagaProjector(engine).project(fold(log), events)
        kept = await rows(engine)
        assert [row["told_version"] for row in kept] == [1, 2, 3, 4, 5, 6, 3, 3, 4, 5]
        assert [row["version"] for row in kept] == [1, 2, 3, 4, 5, 6, None, None, None, None]
        assert told(await EventStore(engine).events_of("order-o-1")) == told(both)


@pytest.mark.parametrize("broken", ["sagas", "events"])
async def test_events_and_row_are_kept_together_or_not_at_all(
    engine: AsyncEngine, broken: str
) -> None:
    log = a_log()
    async with engine.connect() as connected:
        for statement in _break(broken, connected.dialect.name):
            await connected.execute(text(statement))
    with pytest.raises(DBAPIError, match="cut off"):
        await SagaProjector(engine).project(fold(log), log)
    assert await rows(engine) == []
    assert await ReadModel(engine).by_id("order-o-1") is None
    async with engine.connect() as connected:
        on = f" ON {broken}" if connected.dialect.name == "postgresql" else ""
        await connected.execute(text(f"DROP TRIGGER cut_off{on}"))
    await SagaProjector(engine).project(fold(log), log)
    assert len(await rows(engine)) == 6
    assert await ReadModel(engine).by_id("order-o-1") is not None


def _break(table: str, dialect: str) -> list[str]:
    """Have the last of the rows of a projection fail."""
    if dialect == "sqlite":
        when = "WHEN NEW.position = 5"
        raising = "BEGIN SELECT RAISE(ABORT, 'cut off'); END"
        return [f"CREATE TRIGGER cut_off BEFORE INSERT ON {table} {when} {raising}"]
    body = "LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'cut off'; END $$"
    each = "FOR EACH ROW WHEN (NEW.position = 5) EXECUTE FUNCTION cut_off()"
    return [
        f"CREATE FUNCTION cut_off() RETURNS trigger {body}",
        f"CREATE TRIGGER cut_off BEFORE INSERT ON {table} {each}",
    ]


async def test_what_no_database_keeps_is_no_obstacle(engine: AsyncEngine) -> None:
    log = a_log()
    note = {"n\0": ["a\0b", float("nan"), 2**80, -0.5, True, None, "\\u0000"]}
    log[2] = log[2].model_copy(
        update={
            "data": {"thing": "x", "note": note},
            "aggregate_id": "x\0y",
            "aggregate_type": "T" * 120,
            "event_type": "ComesFromAnotherTeam",
        }
    )
    for _ in range(2):
        await SagaProjector(engine).project(fold(log), log)
    kept = (await EventStore(engine).events_of("order-o-1"))[2]
    shown = ["a\ufffdb", None, 2**80, -0.5, True, None, "\\u0000"]
    assert kept.data == {"schema_version": 1, "thing": "x", "note": {"n\ufffd": shown}}
    assert kept.aggregate_id == "x\ufffdy"
    assert kept.aggregate_type == "T" * 100
    assert kept.event_type == "ComesFromAnotherTeam"
    assert kept.event_id == log[2].event_id


async def test_what_one_request_has_caused(engine: AsyncEngine) -> None:
    later = [
        it.model_copy(update={"occurred_at": it.occurred_at + timedelta(seconds=1.5)})
        for it in a_log("b")
    ]
    other = [it.model_copy(update={"correlation_id": "other"}) for it in a_log("c")]
    for log in (later, a_log("a"), other):
        await SagaProjector(engine).project(fold(log), log)
    found = await EventStore(engine).correlated("request-7")
    expected = sorted([*a_log("a"), *later], key=lambda it: it.occurred_at)
    assert told(found) == told(expected)
    assert await EventStore(engine).correlated("none") == []


async def test_sagas_by_pages(engine: AsyncEngine) -> None:
    names = [f"order-{n}" for n in "edcab"]
    for name in names:
        log = a_log(name.removeprefix("order-"))
        await SagaProjector(engine).project(fold(log), log)
    store = EventStore(engine)
    pages: list[list[str]] = []
    while page := await store.saga_ids(after=pages[-1][-1] if pages else "", limit=2):
        pages.append(page)
    assert pages == [["order-a", "order-b"], ["order-c", "order-d"], ["order-e"]]
    logs = await store.events_of_all(["order-b", "order-none", "order-e"])
    assert {saga: told(log) for saga, log in logs.items()} == {
        "order-b": told(a_log("b")),
        "order-e": told(a_log("e")),
    }


async def test_the_schema_is_the_documented_one(engine: AsyncEngine) -> None:
    def look(connected: Connection) -> None:
        found = inspect(connected)
        assert found.get_pk_constraint("events")["constrained_columns"] == ["event_id"]
        unique = found.get_unique_constraints("events")
        assert {tuple(it["column_names"]) for it in unique} == {
            ("aggregate_id", "version"),
            ("saga_id", "epoch", "position"),
        }
        indexed = {it["name"]: it["column_names"] for it in found.get_indexes("events")}
        assert indexed["idx_events_aggregate"] == ["aggregate_id", "version"]
        assert indexed["idx_events_type"] == ["event_type"]
        assert indexed["idx_events_occurred"] == ["occurred_at"]
        assert indexed["idx_events_correlation"] == ["correlation_id"]
        types = {it["name"]: str(it["type"]) for it in found.get_columns("events")}
        assert types["event_data"] == ("JSON" if connected.dialect.name == "sqlite" else "JSONB")
        assert (types["aggregate_type"], types["event_type"]) == ("VARCHAR(100)", "VARCHAR(100)")
        optional = {it["name"] for it in found.get_columns("events") if it["nullable"]}
        assert optional == {"version", "causation_id", "step", "direction"}

    async with engine.connect() as connected:
        await connected.run_sync(look)


async def test_no_query_reads_the_whole_table(engine: AsyncEngine) -> None:
    asked: list[tuple[str, tuple[object, ...]]] = []

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def note(_c: object, _k: object, sql: str, values: tuple[object, ...], *_: object) -> None:
        asked.append((sql, values))

    store = EventStore(engine)
    await store.events_of("order-a")
    await store.events_of_all(["order-a", "order-b"])
    await store.correlated("request-7")
    await store.saga_ids(after="order-a")
    event.remove(engine.sync_engine, "before_cursor_execute", note)
    selects = [it for it in asked if it[0].lstrip().startswith("SELECT events")]
    selects += [it for it in asked if it[0].lstrip().startswith("SELECT DISTINCT")]
    assert len(selects) == 4
    sqlite = engine.dialect.name == "sqlite"
    async with engine.connect() as connected:
        if not sqlite:
            # So small a table is read faster than its index.
            await connected.execute(text("SET enable_seqscan = off"))
        for sql, values in selects:
            explain = "EXPLAIN QUERY PLAN" if sqlite else "EXPLAIN"
            plan = "\n".join(map(str, await connected.exec_driver_sql(f"{explain} {sql}", values)))
            assert ("SEARCH events" if sqlite else "Index Cond") in plan, plan
            assert "Seq Scan" not in plan, plan
