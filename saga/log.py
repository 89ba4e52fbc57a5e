"""A saga's log inside its workflow: gives positions, records events, knows the state.

What an activity answers stands in the history by itself. What has no activity of its own (a cancel,
a pause, the deadline, an outcome) is recorded by a local activity whose result is the event, so
that every event of a saga stands in the history as data.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError
from temporalio.exceptions import TimeoutError as ActivityTimeoutError

from saga.envelope import Call, CommandT, Event, JsonObject, Place
from saga.events import FailureKind, RunReset, SagaEvent, SagaStarted, StepFailed, StepStarted
from saga.identity import Direction, epoch_at, later_epoch
from saga.messages import SagaCommandT
from saga.start import SagaInput
from saga.state import AnyEvent, SagaState, apply, fold

_PATCH = "saga-reset"

Recorder = Callable[[Event[JsonObject]], Awaitable[Event[JsonObject]]]


@activity.defn
async def record_saga_event(event: Event[JsonObject]) -> Event[JsonObject]:
    """Stamp an event with the time; run as a local activity, whose result the history keeps."""
    return event.model_copy(update={"occurred_at": datetime.now(UTC)})


@activity.defn
async def record_run_reset(event: Event[JsonObject]) -> Event[JsonObject]:
    """Stamp the event with the time, and with the epoch that begins with it."""
    now = datetime.now(UTC)
    epoch = later_epoch(event.epoch, now)
    return event.model_copy(update={"occurred_at": now, "epoch": epoch})


RECORDERS = (record_saga_event, record_run_reset)
"""The local activities that every saga's worker registers."""


class Log:
    """The events of the saga that this workflow is, in the order of their arrival."""

    def __init__(self, saga_type: str, start: SagaInput[SagaCommandT]) -> None:
        info = workflow.info()
        self._run = info.original_execution_run_id
        self._epoch = epoch_at(info.workflow_start_time)
        self._next = 1
        self._recording = 0
        self.saga_id = info.workflow_id
        self.correlation_id = start.correlation_id or info.workflow_id
        self.events: list[AnyEvent] = [started(saga_type, start)]
        self.state: SagaState = fold(self.events)
        self.on_change: Callable[[], None] = lambda: None

    def send(
        self, command: CommandT, *, step: str, direction: Direction, name: str
    ) -> Call[CommandT]:
        """Put a command in its envelope; it stands at one position and its answer at the next."""
        call = Call[CommandT](
            saga_id=self.saga_id,
            epoch=self._epoch,
            position=self._next,
            correlation_id=self.correlation_id,
            causation_id=self.events[-1].event_id,
            step=step,
            direction=direction,
            name=name,
            run_id=self._run,
            sent_at=workflow.now(),
            schema_version=command.schema_version,
            command=command,
        )
        self._next += 2
        self.append(sent(call))
        return call

    def append(self, event: AnyEvent) -> None:
        """Take in an event that the history holds."""
        last = self.events[-1]
        self.events.append(event)
        in_order = (event.epoch, event.position) > (last.epoch, last.position)
        self.state = apply(self.state, event) if in_order else fold(self.events)
        self.on_change()

    async def failed(self, call: Call[CommandT], error: ActivityError | None) -> AnyEvent:
        """Take in that a call failed: a refusal brings its event, everything else is recorded."""
        cause = error.cause if error else None
        if (refusal := _refusal(cause)) is not None:
            self.append(refusal)
            return refusal
        kind, error_type = _told_apart(cause)
        failed = StepFailed(
            saga_id=self.saga_id,
            name=call.name,
            kind=kind,
            type=error_type,
            message=str(cause or "cancelled"),
        )
        place = Place(
            saga_id=self.saga_id,
            epoch=call.epoch,
            position=call.position + 1,
            correlation_id=self.correlation_id,
            causation_id=call.command_id,
        )
        return await self._record(failed, place, call.step, call.direction)

    async def record(
        self,
        event: SagaEvent,
        *,
        step: str | None = None,
        direction: Direction | None = None,
        recorder: Recorder = record_saga_event,
    ) -> AnyEvent:
        """Record what has no activity of its own."""
        place = Place(
            saga_id=self.saga_id,
            epoch=self._epoch,
            position=self._next,
            correlation_id=self.correlation_id,
            causation_id=self.events[-1].event_id,
        )
        self._next += 1
        return await self._record(event, place, step, direction, recorder)

    async def _record(
        self,
        event: SagaEvent,
        place: Place,
        step: str | None,
        direction: Direction | None,
        recorder: Recorder = record_saga_event,
    ) -> AnyEvent:
        draft = saga_event(event, place, workflow.now(), step=step, direction=direction)
        self._recording += 1
        try:
            recorded = await workflow.execute_local_activity(
                recorder,
                draft,
                start_to_close_timeout=timedelta(seconds=10),
                retry_policy=RetryPolicy(maximum_interval=timedelta(seconds=1)),
                summary=type(event).__name__,
            )
        finally:
            self._recording -= 1
        self.append(recorded)
        return recorded

    @property
    def ended(self) -> bool:
        """Whether the outcome is reached and nothing more will be recorded."""
        return self.state.status.final and not self._recording

    @property
    def was_reset(self) -> bool:
        """Whether a reset begins exactly here: what came before was copied from an older run.

        The copied part must replay as it was recorded, so the place of the reset is marked in the
        history by a patch marker. Only a run that the log does not know yet can set one.
        """
        if workflow.info().run_id == self._run and not workflow.unsafe.is_replaying():
            return False
        return workflow.patched(f"{_PATCH}-{self._run}-{self._next}")

    async def begin_epoch(self) -> None:
        """Note that this run, and no longer the one before it, tells the story."""
        event = RunReset(
            saga_id=self.saga_id, run_id=workflow.info().run_id, from_position=self._next
        )
        recorded = await self.record(event, recorder=record_run_reset)
        self._epoch = recorded.epoch
        self._run = RunReset.model_validate(recorded.data).run_id


def saga_event(
    event: SagaEvent,
    place: Place,
    occurred_at: datetime,
    *,
    step: str | None = None,
    direction: Direction | None = None,
) -> Event[JsonObject]:
    """One of the engine's own events in its envelope; its version is its position."""
    return Event[JsonObject](
        saga_id=place.saga_id,
        epoch=place.epoch,
        position=place.position,
        correlation_id=place.correlation_id,
        causation_id=place.causation_id,
        event_type=type(event).__name__,
        aggregate_id=event.aggregate_id,
        aggregate_type=event.aggregate_type,
        version=place.position,
        occurred_at=occurred_at,
        schema_version=event.schema_version,
        step=step,
        direction=direction,
        data=event.model_dump(mode="json"),
    )


def started(saga_type: str, start: SagaInput[SagaCommandT]) -> Event[JsonObject]:
    """The first event of the saga that this workflow is, made of its input."""
    info = workflow.info()
    event = SagaStarted(
        saga_id=info.workflow_id,
        saga_type=saga_type,
        headline=start.command.headline(),
        command_type=type(start.command).__name__,
        command=start.command.model_dump(mode="json"),
    )
    place = Place(
        saga_id=info.workflow_id,
        epoch=epoch_at(info.workflow_start_time),
        position=0,
        correlation_id=start.correlation_id or info.workflow_id,
        causation_id=start.causation_id,
    )
    return saga_event(event, place, info.workflow_start_time)


def sent(call: Call[CommandT]) -> Event[JsonObject]:
    """The event that a command was sent, made of its call."""
    event = StepStarted(
        saga_id=call.saga_id, name=call.name, command_type=type(call.command).__name__
    )
    return saga_event(event, call, call.sent_at, step=call.step, direction=call.direction)


def _refusal(cause: BaseException | None) -> AnyEvent | None:
    """The event that a refusal carries in its details; see `saga.answers.refused`."""
    if not isinstance(cause, ApplicationError) or not cause.details:
        return None
    detail = cause.details[0]
    if not isinstance(detail, dict) or detail.get("event_type") != StepFailed.__name__:
        return None
    return Event[JsonObject].model_validate(detail)


def _told_apart(cause: BaseException | None) -> tuple[FailureKind, str]:
    if cause is None or isinstance(cause, CancelledError):
        return FailureKind.CANCELLED, "Cancelled"
    if isinstance(cause, ActivityTimeoutError):
        return FailureKind.TIMED_OUT, cause.type.name if cause.type else "TimedOut"
    if isinstance(cause, ApplicationError):
        return FailureKind.FAILED, cause.type or "ApplicationError"
    return FailureKind.FAILED, type(cause).__name__
