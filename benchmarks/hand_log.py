"""What the hand-written order saga knows of itself: its events, its state, what it shows."""

from datetime import datetime

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError

from contracts.commands import PlaceOrder
from runtime.search_attributes import SagaStatus
from saga.envelope import Call, CommandT, Event, JsonObject
from saga.events import (
    Cause,
    FailureKind,
    SagaEvent,
    SagaStarted,
    Status,
    StepFailed,
    StepStarted,
)
from saga.identity import Direction
from saga.start import SagaInput, SagaKind
from saga.state import AnyEvent, Failure, SagaState, StepStatus

BY_HAND = SagaKind[PlaceOrder](name="order", workflow="OrderByHand")


class HandLog:
    """The events of one order, and plain fields that follow them."""

    def __init__(self, saga_type: str, start: SagaInput[PlaceOrder]) -> None:
        info, order = workflow.info(), start.command
        self.saga_id = info.workflow_id
        self.correlation_id = start.correlation_id or info.workflow_id
        self.events: list[AnyEvent] = []
        self.status = Status.RUNNING
        self.cause: Cause | None = None
        self.failure: Failure | None = None
        self.errors: list[Failure] = []
        self.steps: dict[str, StepStatus] = {}
        self._saga_type = saga_type
        self._run_id = info.run_id
        self._epoch = int(workflow.now().timestamp() * 1000)
        self._next = 1
        self._headline = order.headline()
        self._current_step: str | None = None
        self._started_at = self._updated_at = info.workflow_start_time
        self._closed_at: datetime | None = None
        started = SagaStarted(
            saga_id=self.saga_id,
            saga_type=saga_type,
            headline=start.headline,
            command_type=start.command_type,
            command=order.model_dump(mode="json"),
        )
        self._take(self._event(started, 0, start.causation_id, self._started_at))

    def send(
        self, command: CommandT, *, step: str, name: str, direction: Direction
    ) -> Call[CommandT]:
        """Put a command in its envelope."""
        call = Call[CommandT](
            saga_id=self.saga_id,
            epoch=self._epoch,
            position=self._next,
            correlation_id=self.correlation_id,
            causation_id=self.events[-1].event_id,
            step=step,
            direction=direction,
            name=name,
            run_id=self._run_id,
            sent_at=workflow.now(),
            command_type=type(command).__name__,
            command=command,
        )
        self._next += 2
        undoing = direction is Direction.UNDO
        self.steps[step] = StepStatus.UNDOING if undoing else StepStatus.STARTED
        self._current_step = name
        started = StepStarted(saga_id=self.saga_id, name=name, command_type=type(command).__name__)
        place = call.position, call.causation_id, call.sent_at
        self._take(self._event(started, *place, step, direction))
        return call

    def answered(self, call: Call[CommandT], answer: AnyEvent) -> None:
        """Take in what the participant has answered."""
        undone = call.direction is Direction.UNDO
        self.steps[call.step] = StepStatus.UNDONE if undone else StepStatus.DONE
        self._take(answer)

    def failed(self, call: Call[CommandT], error: ActivityError) -> StepFailed:
        """Take in how a call failed: what the participant tells of it, else what we know."""
        cause = error.cause
        if isinstance(cause, ApplicationError) and cause.details:
            event = Event[JsonObject].model_validate(cause.details[0])
            failed = StepFailed.model_validate(event.data)
        else:
            cancelled = isinstance(cause, CancelledError)
            failed = StepFailed(
                saga_id=self.saga_id,
                name=call.name,
                kind=FailureKind.CANCELLED if cancelled else FailureKind.FAILED,
                type=type(cause).__name__,
                message=str(cause),
            )
            place = call.position + 1, call.command_id, workflow.now()
            event = self._event(failed, *place, call.step, call.direction)
            workflow.upsert_memo({"SagaEvent": event})
        refused = failed.kind is FailureKind.REFUSED
        self.steps[call.step] = StepStatus.REFUSED if refused else StepStatus.FAILED
        self.errors.append(failure_of(failed))
        self._take(event)
        return failed

    def record(self, event: SagaEvent, status: Status | None = None) -> None:
        """Record what has no activity of its own, and the status that it brings."""
        recorded = self._event(event, self._next, self.events[-1].event_id, workflow.now())
        self._next += 1
        workflow.upsert_memo({"SagaEvent": recorded})
        if status is not None:
            self.status = status
            workflow.upsert_search_attributes([SagaStatus.value_set(status)])
            workflow.metric_meter().create_counter("saga_status_changes").add(
                1, {"saga_type": self._saga_type, "status": status}
            )
            if status.final:
                self._current_step, self._closed_at = None, recorded.occurred_at
        self._take(recorded)

    def state(self) -> SagaState:
        """How the order stands."""
        last = self.events[-1]
        return SagaState(
            saga_id=self.saga_id,
            saga_type=self._saga_type,
            headline=self._headline,
            status=self.status,
            cause=self.cause,
            current_step=self._current_step,
            failure=self.failure,
            errors=tuple(self.errors),
            steps=dict(self.steps),
            version=len(self.events),
            epoch=self._epoch,
            position=last.position,
            correlation_id=self.correlation_id,
            started_at=self._started_at,
            updated_at=self._updated_at,
            closed_at=self._closed_at,
        )

    def _take(self, event: AnyEvent) -> None:
        self.events.append(event)
        self._updated_at = max(self._updated_at, event.occurred_at)
        lines = [f"**{self.status}**" + (f" ({self.cause})" if self.cause else "")]
        lines += [f"- {step}: {status}" for step, status in self.steps.items()]
        workflow.set_current_details("\n".join(lines))

    def _event(
        self,
        event: SagaEvent,
        position: int,
        cause: str | None,
        occurred_at: datetime,
        step: str | None = None,
        direction: Direction | None = None,
    ) -> Event[JsonObject]:
        return Event[JsonObject](
            saga_id=self.saga_id,
            epoch=self._epoch,
            position=position,
            correlation_id=self.correlation_id,
            causation_id=cause,
            event_type=type(event).__name__,
            aggregate_id=event.aggregate_id,
            aggregate_type=event.aggregate_type,
            version=position,
            occurred_at=occurred_at,
            step=step,
            direction=direction,
            data=event.model_dump(mode="json"),
        )


def failure_of(failed: StepFailed) -> Failure:
    """The failure as the row shows it."""
    return Failure(step=failed.name, type=failed.type, message=failed.message)
