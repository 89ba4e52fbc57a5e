"""`reconcile`: sagas that were ended from outside, whose rows cannot know it by themselves."""

from dataclasses import dataclass
from datetime import datetime

from cli.read_database import read_database
from cli.saga_id import SagaId
from cli.temporal import TemporalSagas
from cli.terminal import note, say, say_json
from read_model.projector import SagaProjector
from read_model.queries import ReadModel
from runtime.settings import Settings
from saga import Status
from saga.client import Found

_AT_ONCE = 500


@dataclass(frozen=True)
class Ended:
    """A saga that was ended from outside, and whose row did not say so."""

    saga: SagaId
    closed_at: datetime
    has_row: bool
    """Whether there is a row, which says so now; without one it was never projected."""


async def reconcile(saga_type: str | None, *, as_json: bool) -> int:
    """Have rows say what was ended from outside; returns the exit code, 1 when there was any.

    A saga without a row is told and gets none: its sums and steps are in its history only.
    """
    settings = Settings.from_environment()
    sagas = await TemporalSagas.connect(settings)
    # A saga that was reset has several runs; which of them is the last, `find` tells.
    named = {run.saga.workflow_id: run.saga async for run in sagas.ended_from_outside(saga_type)}
    found = []
    async with read_database(settings) as engine:
        model, projector = ReadModel(engine), SagaProjector(engine)
        ids = list(named)
        for start in range(0, len(ids), _AT_ONCE):
            some = ids[start : start + _AT_ONCE]
            statuses = await model.statuses(some)
            for saga in (named[it] for it in some if _open(statuses.get(it))):
                closed_at = _ended_at(await sagas.find(saga))
                if closed_at is None:
                    continue
                has_row = saga.workflow_id in statuses
                if has_row and not await projector.close(saga.workflow_id, closed_at):
                    continue
                found.append(Ended(saga, closed_at, has_row))
    _tell(found, as_json=as_json)
    return 1 if found else 0


def _open(status: Status | None) -> bool:
    return status is None or not status.final


def _ended_at(latest: Found | None) -> datetime | None:
    if latest is None or latest.status is not Status.TERMINATED:
        return None
    return latest.closed_at


def _tell(found: list[Ended], *, as_json: bool) -> None:
    if as_json:
        say_json([_document(one) for one in found])
        return
    for one in found:
        row = "its row says so now" if one.has_row else "it has no row"
        at = one.closed_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        say(f"{one.saga}: ended from outside at {at}; {row}")
    if not found:
        note("every row agrees with Temporal")


def _document(one: Ended) -> dict[str, object]:
    return {
        **one.saga.members,
        "closed_at": one.closed_at.isoformat().replace("+00:00", "Z"),
        "row": "terminated" if one.has_row else None,
    }
