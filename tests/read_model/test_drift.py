"""What differs from the logs is found and repaired, and what only moves is left alone."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

import pytest
from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncEngine

from read_model import repair
from read_model.drift import Drift, DriftKind
from read_model.projector import SagaProjector, write
from read_model.tables import EVENTS, TABLE
from runtime.errors import Unreadable
from saga import Status, fold
from saga.events import SagaTerminated
from saga.state import StepStatus
from tests.read_model.drifting import ALL, History, Server, kinds
from tests.read_model.kept import everything, execute, rows
from tests.read_model.states import EPOCH, a_log, log_of, of_saga

pytestmark = pytest.mark.asyncio


async def test_everything_comes_back_as_it_was(engine: AsyncEngine, server: Server) -> None:
    before = await everything(engine)
    done = StepStatus.DONE
    zip_of_b = (EVENTS.c.saga_id == "order-b") & (EVENTS.c.position == 2)
    await execute(
        engine,
        delete(TABLE).where(TABLE.c.saga_id == "order-a"),
        delete(EVENTS).where((EVENTS.c.saga_id == "order-a") & (EVENTS.c.position > 2)),
        update(TABLE)
        .where(TABLE.c.saga_id == "order-b")
        .values(status=Status.STUCK, steps=dict.fromkeys(("apply", "zip"), done), customer_id=None),
        update(EVENTS).where(zip_of_b).values(event_data={"thing": "x"}, told_version=77),
        update(TABLE).where(TABLE.c.saga_id == "order-c").values(epoch=EPOCH + 5, amount_minor=1),
        update(EVENTS)
        .where((EVENTS.c.saga_id == "order-c") & (EVENTS.c.position == 3))
        .values(saga_id="order-x", event_type="Forged"),
        update(EVENTS)
        .where((EVENTS.c.saga_id == "order-c") & (EVENTS.c.position == 4))
        .values(event_id="forged", version=None, position=40),
    )
    broken = await everything(engine)

    rehearsed = await server.rebuild(engine, dry_run=True).page(ALL)
    assert await everything(engine) == broken
    assert rehearsed.repaired == 0
    told = {(it.saga_id, it.field): (it.stored, it.should_be) for it in rehearsed.drift}
    assert told["order-b", "status"] == ("stuck", "completed")
    assert told["order-b", "event_data"] == (
        {"thing": "x"},
        {"schema_version": 1, "thing": "b/zip", "note": None},
    )
    assert told["order-a", None][1] == "SagaCompleted"
    assert kinds(rehearsed) == [
        ("order-a", "missing-event", None),
        ("order-a", "missing-event", None),
        ("order-a", "missing-event", None),
        ("order-a", "missing-row", None),
        ("order-b", "event", "event_data"),
        ("order-b", "event", "told_version"),
        ("order-b", "row", "customer_id"),
        ("order-b", "row", "status"),
        ("order-b", "row", "steps"),
        ("order-c", "missing-event", None),
        ("order-c", "missing-event", None),
        ("order-c", "row", "amount_minor"),
        ("order-c", "row", "epoch"),
    ]

    report = await server.rebuild(engine).page(ALL)
    assert (report.sagas, report.repaired) == (3, 3)
    assert kinds(report) == kinds(rehearsed)
    after = await everything(engine)
    # What no history tells is not taken for wrong.
    after[1] = [row for row in after[1] if row["event_id"] != "forged"]
    assert after == before
    assert (await server.rebuild(engine).page(ALL)).drift == []


async def test_a_row_that_stays_behind_an_open_saga_is_drift(
    engine: AsyncEngine, server: Server
) -> None:
    log = a_log("d")
    server.histories["order-d"] = History(log, closed=False)
    await SagaProjector(engine).project(fold(log[:5]), log[:5])
    report = await server.rebuild(engine).page(["order-d"])
    assert ("order-d", "row", "status") in kinds(report)
    assert ("order-d", "missing-event", None) in kinds(report)
    assert (await server.rebuild(engine).page(["order-d"])).drift == []


async def test_without_a_history_the_events_tell(engine: AsyncEngine, server: Server) -> None:
    ended = log_of("order-d", [of_saga(SagaTerminated(saga_id="order-d", how="terminated"))])
    ended = [it.model_copy(update={"position": 5, "version": 5}) for it in ended]
    log = [*a_log("d")[:5], *ended]
    await SagaProjector(engine).project(fold(log), log)
    before = await everything(engine)
    server.histories.clear()
    d = TABLE.c.saga_id == "order-d"
    await execute(
        engine,
        delete(TABLE).where(d),
        update(TABLE).where(TABLE.c.saga_id == "order-a").values(currency="XXX"),
    )
    report = await server.rebuild(engine).page([*ALL, "order-d", "order-none"], kept=True)
    assert kinds(report) == [
        ("order-a", "row", "currency"),
        ("order-d", "missing-row", None),
    ]
    # A history is asked for where something differs, and only there.
    assert server.asked == ["order-a", "order-d"]
    assert await everything(engine) == before


async def test_what_nothing_tells_is_told_and_stays(engine: AsyncEngine, server: Server) -> None:
    server.histories.clear()
    await execute(
        engine,
        delete(EVENTS).where(EVENTS.c.saga_id == "order-a"),
        delete(EVENTS).where((EVENTS.c.saga_id == "order-b") & (EVENTS.c.position == 5)),
        delete(EVENTS).where((EVENTS.c.saga_id == "order-c") & (EVENTS.c.position == 0)),
    )
    before = await everything(engine)
    for dry_run in (True, False):
        report = await server.rebuild(engine, dry_run=dry_run).page(ALL)
        assert report.drift == [
            Drift("order-a", DriftKind.ORPHAN, "status", "completed"),
            Drift("order-b", DriftKind.INCOMPLETE, "status", "completed"),
            Drift("order-c", DriftKind.INCOMPLETE, "status", "completed"),
        ]
        assert report.repaired == 0
        assert await everything(engine) == before


@pytest.mark.parametrize("kind", [ValueError, Unreadable])
async def test_one_that_can_not_be_read_stops_nobody(
    engine: AsyncEngine, server: Server, kind: type[Exception]
) -> None:
    async def garbage(saga_id: str) -> None:
        if saga_id == "order-b":
            raise kind("a saga's log begins\nwith SagaStarted")

    server.on_read = garbage
    await execute(engine, delete(TABLE))
    report = await server.rebuild(engine).page(ALL)
    assert [it for it in report.drift if it.saga_id == "order-b"] == [
        Drift("order-b", DriftKind.UNREADABLE, should_be="a saga's log begins with SagaStarted")
    ]
    assert report.repaired == 2


async def test_more_than_one_transaction_and_cut_off_in_between(
    engine: AsyncEngine, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await everything(engine)
    await execute(engine, delete(TABLE), delete(EVENTS))
    monkeypatch.setattr(repair, "AT_ONCE", 1)
    cut_off = False

    async def until_the_third(*arguments: Any) -> None:
        nonlocal cut_off
        await write(*arguments)
        cut_off = arguments[1][0].state.saga_id == "order-c"
        if cut_off:
            raise RuntimeError("cut off")

    with monkeypatch.context() as patched:
        patched.setattr("read_model.repair.write", until_the_third)
        with pytest.raises(RuntimeError, match="cut off"):
            await server.rebuild(engine).page(ALL)
    assert len(await rows(engine)) == 12
    report = await server.rebuild(engine).page(ALL)
    assert {it.saga_id for it in report.drift} == {"order-c"}
    assert await everything(engine) == before


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
async def test_many_at_once_never_wait_for_each_other(engine: AsyncEngine, server: Server) -> None:
    before = await everything(engine)
    await execute(engine, update(EVENTS).values(correlation_id="x"))

    async def project(saga: str) -> None:
        log = a_log(saga.removeprefix("order-"))
        for _ in range(20):
            await SagaProjector(engine).project(fold(log), log)

    rebuilds: Sequence[Awaitable[object]] = [server.rebuild(engine).page(ALL) for _ in range(4)]
    await asyncio.gather(*rebuilds, *(project(saga) for saga in ALL))
    assert await everything(engine) == before
