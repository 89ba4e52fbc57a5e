"""What differs from the logs is found and repaired, and what only moves is left alone."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import delete, insert, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from read_model import repair
from read_model.drift import Drift, DriftKind
from read_model.projector import SagaProjector, row_of, write
from read_model.rebuild import Rebuild, Report
from read_model.tables import EVENTS, TABLE
from runtime.errors import Unreadable
from saga import Event, Status, fold
from saga.events import SagaTerminated
from saga.state import SagaState, StepStatus, told_last
from saga.versions import Content, upcaster
from tests.read_model.states import EPOCH, START, log_of, of_saga
from tests.read_model.test_event_store import Booked, a_log, rows

pytestmark = pytest.mark.asyncio

Log = list[Event[Any]]
LAG = 0.1
ALL = ("order-a", "order-b", "order-c")


@dataclass
class History:
    all_events: Log
    closed: bool = True

    @property
    def state(self) -> SagaState | None:
        return fold(told_last(self.all_events)) if self.all_events else None


@dataclass
class Server:
    """The histories, which may be gone."""

    histories: dict[str, History] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    on_read: Callable[[str], Awaitable[None]] | None = None

    async def read(self, saga_id: str) -> History | None:
        self.asked.append(saga_id)
        found = self.histories.get(saga_id)
        if self.on_read is not None:
            await self.on_read(saga_id)
        return found

    def rebuild(self, engine: AsyncEngine, *, dry_run: bool = False, lag: float = LAG) -> Rebuild:
        return Rebuild(engine, self.read, dry_run=dry_run, lag=lag)


@pytest_asyncio.fixture
async def server(engine: AsyncEngine) -> Server:
    """Three sagas that have been projected as their histories say."""
    server = Server()
    for saga in ALL:
        log = a_log(saga.removeprefix("order-"))
        server.histories[saga] = History(log)
        await SagaProjector(engine).project(fold(log), log)
    return server


async def everything(engine: AsyncEngine) -> list[list[dict[str, Any]]]:
    """All that the database holds."""
    async with engine.connect() as connected:
        sagas = await connected.execute(text("SELECT * FROM sagas ORDER BY saga_id"))
        events = await connected.execute(text("SELECT * FROM events ORDER BY event_id"))
        return [[dict(row) for row in it.mappings()] for it in (sagas, events)]


async def execute(engine: AsyncEngine, *statements: Any) -> None:
    async with engine.connect() as connected:
        for statement in statements:
            assert (await connected.execute(statement)).rowcount > 0


def kinds(report: Report) -> list[tuple[str, DriftKind, str | None]]:
    return sorted((it.saga_id, it.kind, it.field) for it in report.drift)


async def test_nothing_differs(engine: AsyncEngine, server: Server) -> None:
    before = await everything(engine)
    report = await server.rebuild(engine).page(ALL)
    assert report == Report(sagas=3)
    assert await everything(engine) == before


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
