"""`schedule-reconcile`: has Temporal compare and repair the read database, every night."""

import re
from dataclasses import dataclass
from datetime import datetime

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError, RPCStatusCode

from activities.projection import projection
from cli.problems import BadInput
from cli.temporal import TemporalSagas
from cli.terminal import say, say_json
from read_model.sources import Position
from runtime.settings import Settings
from workflows.reconcile import SCHEDULE, ReconcileReadModel

_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")


@dataclass(frozen=True)
class Times:
    """When it is done, as a cron expression in UTC."""

    cron: str

    @classmethod
    def given(cls, at: str | None, cron: str | None) -> "Times":
        """As the options say; raises BadInput."""
        if at is not None and cron is not None:
            raise BadInput("--at and --cron: give one of them")
        if cron is not None:
            return cls(cron)
        form = _TIME.fullmatch(at or "03:00")
        if form is None:
            raise BadInput(f"--at {at!r}: write it like 03:00, in UTC")
        return cls(f"{int(form[2])} {int(form[1])} * * *")


async def schedule_reconcile(times: Times, *, as_json: bool) -> int:
    """Create the schedule, or have it say the same as now; returns the exit code."""
    settings = Settings.from_environment()
    sagas = await TemporalSagas.connect(settings)
    with sagas.answering():
        try:
            await _put(sagas.client, _schedule(settings, times))
        except RPCError as error:
            if error.status is RPCStatusCode.INVALID_ARGUMENT:
                raise BadInput(f"--cron {times.cron!r}: {error.message}") from None
            raise
        described = await sagas.client.get_schedule_handle(SCHEDULE).describe()
    following = next(iter(described.info.next_action_times), None)
    paused = described.schedule.state.paused
    if as_json:
        say_json(
            {"schedule": SCHEDULE, "cron": times.cron, "next": _told(following), "paused": paused}
        )
    else:
        told = "paused" if paused else f"next at {_told(following)}"
        say(f"schedule {SCHEDULE}: {times.cron} (UTC), {told}")
    return 0


async def unschedule_reconcile(*, as_json: bool) -> int:
    """Remove the schedule, if there is one; returns the exit code."""
    sagas = await TemporalSagas.connect(Settings.from_environment())
    with sagas.answering():
        try:
            await sagas.client.get_schedule_handle(SCHEDULE).delete()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
    if as_json:
        _say_document(None, None, paused=False)
    else:
        say(f"schedule {SCHEDULE}: there is none any more")
    return 0


def _schedule(settings: Settings, times: Times) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(
            ReconcileReadModel.run,
            Position(),
            id=SCHEDULE,
            task_queue=f"{settings.saga_task_queue}-{projection.name}",
        ),
        spec=ScheduleSpec(cron_expressions=[times.cron]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP),
    )


async def _put(client: Client, schedule: Schedule) -> None:
    try:
        await client.create_schedule(SCHEDULE, schedule)
    except ScheduleAlreadyRunningError:

        def same(was: ScheduleUpdateInput) -> ScheduleUpdate:
            # Whoever has paused it knows why.
            schedule.state = was.description.schedule.state
            return ScheduleUpdate(schedule)

        await client.get_schedule_handle(SCHEDULE).update(same)


def _told(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def _say_document(cron: str | None, following: str | None, *, paused: bool) -> None:
    say_json({"schedule": SCHEDULE, "cron": cron, "next": following, "paused": paused})
