"""`reconcile`: sagas that were ended from outside, whose rows cannot know it by themselves."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from cli.read_database import read_database
from cli.saga_id import SagaId
from cli.temporal import TemporalSagas
from cli.terminal import note, say, say_json
from read_model.queries import ReadModel
from read_model.rebuild import History, Rebuild
from runtime.settings import Settings
from saga import Status
from saga.history import read_saga

_AT_ONCE = 500


@dataclass(frozen=True)
class Ended:
    """A saga that was ended from outside, and whose row says so only now."""

    saga: SagaId
    closed_at: datetime


@dataclass(frozen=True)
class _Nothing:
    """What is taken for the history of a saga that was not ended from outside."""

    closed: bool = True
    all_events: tuple[()] = ()
    state: None = None


async def reconcile(saga_type: str | None, *, as_json: bool) -> int:
    """Have rows say what was ended from outside; returns the exit code, 1 when there was any."""
    settings = Settings.from_environment()
    sagas = await TemporalSagas.connect(settings)
    # A saga that was reset has several runs; which of them is the last, its history tells.
    named = {run.saga.workflow_id: run.saga async for run in sagas.ended_from_outside(saga_type)}
    ids = list(named)
    closed: dict[str, datetime] = {}
    async with read_database(settings) as engine:
        for start in range(0, len(ids), _AT_ONCE):
            with sagas.answering():
                closed |= await _closed(sagas, engine, ids[start : start + _AT_ONCE])
    found = [Ended(named[saga_id], closed_at) for saga_id, closed_at in closed.items()]
    _tell(found, as_json=as_json)
    return 1 if found else 0


async def _closed(
    sagas: TemporalSagas, engine: AsyncEngine, saga_ids: Sequence[str]
) -> dict[str, datetime]:
    """When those sagas were ended whose rows have come to say so."""
    statuses = await ReadModel(engine).statuses(saga_ids)
    ended: dict[str, datetime] = {}

    async def read(saga_id: str) -> History:
        history = await read_saga(sagas.client, saga_id)
        state = history.state if history is not None else None
        if history is None or state is None or state.status is not Status.TERMINATED:
            return _Nothing()
        ended[saga_id] = state.closed_at or state.updated_at
        return history

    open_ones = [it for it in saga_ids if it not in statuses or not statuses[it].final]
    report = await Rebuild(engine, read).page(open_ones)
    changed = {drift.saga_id for drift in report.drift}
    return {saga_id: ended[saga_id] for saga_id in open_ones if saga_id in changed & ended.keys()}


def _tell(found: list[Ended], *, as_json: bool) -> None:
    if as_json:
        say_json([_document(one) for one in found])
        return
    for one in found:
        at = one.closed_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        say(f"{one.saga}: ended from outside at {at}; its row says so now")
    if not found:
        note("every row agrees with Temporal")


def _document(one: Ended) -> dict[str, object]:
    return {
        **one.saga.members,
        "closed_at": one.closed_at.isoformat().replace("+00:00", "Z"),
        "row": Status.TERMINATED,
    }
