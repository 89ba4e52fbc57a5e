"""A saga's log inside its workflow: gives positions, records events, knows the state.

What an activity answers stands in the history by itself. What has no activity of its own (a cancel,
a pause, the deadline, an outcome) is recorded in the workflow's memo: the memo keeps the last such
event, the history every one of them, as data that passes the codec.
"""

from collections.abc import Callable
from datetime import datetime

from temporalio.exceptions import ActivityError, ApplicationError, CancelledError, FailureError
from temporalio.exceptions import TimeoutError as ActivityTimeoutError

from runtime.correlation import current
from saga.envelope import Call, CommandT, Event, JsonObject, Place, Sending
from saga.events import FailureKind, RunReset, SagaEvent, SagaStarted, StepFailed, StepStarted
from saga.host import Host
from saga.identity import Direction, epoch_at, later_epoch
from saga.messages import SagaCommandT
from saga.start import SagaInput
from saga.state import AnyEvent, SagaState, apply, fold


class Log:
    """The events of the saga that this workflow is, in the order of their arrival."""

    def __init__(
        self,
        host: Host,
        saga_type: str,
        start: SagaInput[SagaCommandT],
        *,
        epoch: int | None = None,
    ) -> None:
        self.host = host
        self._saga_type, self._start = saga_type, start
        self._seed = host.seed()
        self.epoch = epoch_at(host.now()) if epoch is None else epoch
        self._next = 1
        self._awaited: set[int] = set()
        """The positions of answers that are still to come."""
        self.saga_id = host.saga_id
        self.correlation_id = start.correlation_id or self.saga_id
        self.resets = 0
        """How many were noticed."""
        self.events: list[AnyEvent] = [self._started()]
        self.state: SagaState = fold(self.events)
        self.on_change: Callable[[], None] = lambda: None

    def send(
        self,
        command: CommandT,
        *,
        step: str,
        direction: Direction,
        name: str,
        pivot: bool,
        renewals: int,
    ) -> Call[CommandT]:
        """Put a command in its envelope; it stands at one position and its answer at the next."""
        self.notice_reset()
        call = Call[CommandT](
            saga_id=self.saga_id,
            epoch=self.epoch,
            position=self._next,
            correlation_id=self.correlation_id,
            causation_id=self.events[-1].event_id,
            step=step,
            direction=direction,
            name=name,
            pivot=pivot,
            renewals=renewals,
            run_id=self.host.run_id,
            sent_at=self.host.story_time(),
            command_type=type(command).__name__,
            command=command,
        )
        self._next += 2
        self._awaited.add(call.position + 1)
        self.append(sent(call))
        return call

    def append(self, event: AnyEvent) -> None:
        """Take in an event that the history holds."""
        last = self.events[-1]
        self.events.append(event)
        self._awaited.discard(event.position)
        in_order = (event.epoch, event.position) > (last.epoch, last.position)
        self.state = apply(self.state, event) if in_order else fold(self.events)
        self.on_change()

    def failed(self, call: Call[CommandT], error: FailureError | None) -> AnyEvent:
        """Take in that a call failed: what the activity tells of it, or else it is recorded."""
        cause = error.cause if isinstance(error, ActivityError) else error
        if (answer := told(cause)) is not None:
            self.append(answer)
            return answer
        # Another run may have had an answer at this place.
        self.notice_reset()
        kind, error_type = _told_apart(cause)
        failed = StepFailed(
            saga_id=self.saga_id,
            name=call.name,
            kind=kind,
            type=error_type,
            message=str(cause or "cancelled"),
        )
        place = self._place(call.position + 1, call.command_id)
        return self._record(failed, place, step=call.step, direction=call.direction)

    def record(
        self,
        event: SagaEvent,
        *,
        step: str | None = None,
        direction: Direction | None = None,
        cause: str | None = None,
    ) -> AnyEvent:
        """Record what has no activity of its own.

        What someone has asked for was caused by what they say, and else by the event before.
        """
        self.notice_reset()
        cause = cause or current().asked_by or self.events[-1].event_id
        place = self._place(self._next, cause)
        self._next += 1
        return self._record(event, place, step=step, direction=direction)

    def begin(self) -> None:
        """Record the beginning, where the input does not have all of it: it was started by hand."""
        if not {"headline", "command_type"} <= self._start.model_fields_set:
            self.host.record(self.events[0])

    def begin_after_lane(self, epoch: int | None) -> None:
        """Begin in the epoch that the lane has answered in, before anything else is told.

        A replay may take the first workflow task and later ones for a single one, at another time,
        while none of them has a command. If the lane was lost (None), the time since then is sure.
        """
        lost, self.epoch = epoch is None, epoch or epoch_at(self.host.now())
        self.events = [self._started()]
        self.state = fold(self.events)
        if lost:
            self.host.record(self.events[0])
        else:
            self.begin()

    def _started(self) -> Event[JsonObject]:
        start = self._start
        event = SagaStarted(
            saga_id=self.saga_id,
            saga_type=self._saga_type,
            headline=start.headline,
            command_type=start.command_type,
            command=start.command.model_dump(mode="json"),
            chain_depth=start.chain_depth,
        )
        place = Place(
            saga_id=self.saga_id,
            epoch=self.epoch,
            position=0,
            correlation_id=self.correlation_id,
            causation_id=start.causation_id,
        )
        since = start.recovery.started_at if start.recovery else self.host.started_at
        return saga_event(event, place, since)

    def _place(self, position: int, cause: str) -> Place:
        return Place(
            saga_id=self.saga_id,
            epoch=self.epoch,
            position=position,
            correlation_id=self.correlation_id,
            causation_id=cause,
        )

    def _record(
        self, event: SagaEvent, place: Place, *, step: str | None, direction: Direction | None
    ) -> AnyEvent:
        recorded = saga_event(event, place, self.host.now(), step=step, direction=direction)
        self.host.record(recorded)
        self.append(recorded)
        return recorded

    def notice_reset(self) -> None:
        """Begin an epoch if what came before was copied by a reset: a newer run tells the story.

        Only a reset changes the random seed of a workflow, and it does so at the same place on
        every replay.
        """
        if self.host.seed() == self._seed:
            return
        self._seed = self.host.seed()
        self.resets += 1
        self.epoch = later_epoch(self.epoch, self.host.now())
        epochs = tuple(sorted({event.epoch for event in self.events}))
        reset = RunReset(
            saga_id=self.saga_id,
            from_position=self._next,
            epochs=epochs,
            awaited=tuple(sorted(self._awaited)),
        )
        self.record(reset, cause=self.events[-1].event_id)


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
        step=step,
        direction=direction,
        data=event.model_dump(mode="json"),
    )


def sent(call: Sending) -> Event[JsonObject]:
    """The event that a command was sent, made of its call."""
    event = StepStarted(saga_id=call.saga_id, name=call.name, command_type=call.command_type)
    return saga_event(event, call, call.sent_at, step=call.step, direction=call.direction)


def told(cause: BaseException | None) -> AnyEvent | None:
    """The event that the error carries in its details; see `saga.answers`."""
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
