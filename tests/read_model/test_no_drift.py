"""What differs from the logs in appearance only, or for a moment, is left alone."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, insert, update
from sqlalchemy.ext.asyncio import AsyncEngine

from read_model import repair
from read_model.drift import DriftKind
from read_model.projector import SagaProjector, row_of
from read_model.rebuild import Report
from read_model.tables import EVENTS, TABLE
from saga import Status, fold
from saga.state import SagaState
from saga.versions import Content, upcaster
from tests.read_model.drifting import ALL, History, Server, kinds
from tests.read_model.kept import everything, execute
from tests.read_model.states import EPOCH, START, Booked, a_log

pytestmark = pytest.mark.asyncio


async def test_nothing_differs(engine: AsyncEngine, server: Server) -> None:
    before = await everything(engine)
    report = await server.rebuild(engine).page(ALL)
    assert report == Report(sagas=3)
    assert await everything(engine) == before


async def test_a_row_that_is_on_its_way_is_no_drift(engine: AsyncEngine, server: Server) -> None:
    log = a_log("d")
    server.histories["order-d"] = History(log, closed=False)
    await SagaProjector(engine).project(fold(log[:3]), log[:3])
    looking = asyncio.create_task(server.rebuild(engine, lag=0.7).page(["order-d"]))
    while not server.asked:
        await asyncio.sleep(0)
    # As long as a projection gathers events.
    await asyncio.sleep(0.1)
    await SagaProjector(engine).project(fold(log), log[3:])
    assert await looking == Report(sagas=1)


async def test_a_newer_row_is_never_replaced_by_an_older_state(
    engine: AsyncEngine, server: Server
) -> None:
    """The worker writes whenever the rebuild has read: nothing of it is lost, nothing is drift."""
    log = a_log("a", epoch=EPOCH + 1)
    written: list[SagaState] = []

    async def go_on(saga_id: str) -> None:
        # After this history was read, the saga goes on, and its row follows.
        count = len(written) + 1
        written.append(fold(log[:count]))
        server.histories[saga_id] = History([*a_log("a"), *log[:count]], closed=False)
        await SagaProjector(engine).project(written[-1], log[count - 1 : count])

    server.on_read = go_on
    # Another row than the history's, so that it is to be replaced.
    await execute(
        engine, update(TABLE).where(TABLE.c.saga_id == "order-a").values(status=Status.STUCK)
    )
    report = await server.rebuild(engine).page(["order-a"])
    assert report == Report(sagas=1)
    assert len(written) == len(server.asked) == 2
    async with engine.connect() as connected:
        row = (await connected.execute(TABLE.select().where(TABLE.c.saga_id == "order-a"))).one()
    assert (row.epoch, row.position) == (EPOCH + 1, 1)


@pytest.mark.parametrize("newer", [True, False], ids=["newer", "repaired by another"])
async def test_a_row_that_is_written_at_the_last_moment_stays(
    engine: AsyncEngine, server: Server, monkeypatch: pytest.MonkeyPatch, newer: bool
) -> None:
    """Between the comparison and the repair: the repair sees it and looks again."""
    ahead = {"epoch": EPOCH + 7, "status": Status.PAUSED}
    a = TABLE.c.saga_id == "order-a"
    await execute(engine, update(TABLE).where(a).values(ahead))
    make_room, log = repair._make_room, a_log("a", epoch=EPOCH + 9)

    async def late(*arguments: Any) -> set[str]:
        connected = arguments[0]
        if not server.asked[1:]:
            if newer:
                server.histories["order-a"] = History([*a_log("a"), *log], closed=False)
                row = row_of(fold(log)).model_dump()
            else:
                row = row_of(fold(a_log("a"))).model_dump()
            await connected.execute(delete(TABLE).where(a))
            await connected.execute(insert(TABLE).values(row))
        return await make_room(*arguments)

    monkeypatch.setattr(repair, "_make_room", late)
    report = await server.rebuild(engine).page(["order-a"])
    assert server.asked == ["order-a", "order-a"]
    expected = log if newer else a_log("a")
    assert {it.kind for it in report.drift} == ({DriftKind.MISSING_EVENT} if newer else set())
    async with engine.connect() as connected:
        row = (await connected.execute(TABLE.select().where(a))).one()
    assert row._asdict() == {**row_of(fold(expected)).model_dump(), "stuck": ()}


async def test_a_fact_heard_twice_is_no_drift(engine: AsyncEngine, server: Server) -> None:
    log = server.histories["order-a"].all_events
    again = [it.model_copy(update={"epoch": EPOCH + 9, "occurred_at": START}) for it in log]
    data = {"x": [1e23, 1.5, -0.0, 2**70, "\0"], "thing": "a/zip"}
    again[2] = again[2].model_copy(update={"data": data, "aggregate_type": "T" * 120})
    again[2] = again[2].model_copy(update={"occurred_at": START + timedelta(microseconds=1)})
    server.histories["order-a"] = History([*log, *again])
    first = await server.rebuild(engine).page(ALL)
    assert {it.kind for it in first.drift} == {DriftKind.MISSING_EVENT, DriftKind.ROW}
    assert (await server.rebuild(engine).page(ALL)).drift == []


@upcaster("Renamed", 1)
def named_thing(content: Content) -> Content:
    return {"thing": content["name"], "note": None}


class Renamed(Booked):
    schema_version = 2


async def test_another_version_of_the_same_data_is_no_drift(
    engine: AsyncEngine, server: Server
) -> None:
    log = a_log("d")
    log[2] = log[2].model_copy(update={"event_type": "Renamed", "data": Renamed(thing="d/zip")})
    server.histories["order-d"] = History(log)
    await SagaProjector(engine).project(fold(log), log)
    mine = (EVENTS.c.saga_id == "order-d") & (EVENTS.c.position == 2)
    # As the first version was kept, without its number in the data; and as a newer one keeps it.
    for version, data in ((1, {"name": "d/zip"}), (3, {"schema_version": 3, "things": []})):
        same = {"schema_version": version, "event_data": data}
        await execute(engine, update(EVENTS).where(mine).values(same))
        before = await everything(engine)
        assert await server.rebuild(engine).page(["order-d"]) == Report(sagas=1)
        assert await everything(engine) == before
    old = {"schema_version": 1, "event_data": {"name": "elsewhere"}}
    await execute(engine, update(EVENTS).where(mine).values(old))
    report = await server.rebuild(engine).page(["order-d"])
    assert kinds(report) == [
        ("order-d", "event", "event_data"),
        ("order-d", "event", "schema_version"),
    ]
