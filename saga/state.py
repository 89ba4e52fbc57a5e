"""One pure fold makes a saga's state; workflow, read model, rebuild and audit all use it."""

from collections.abc import Callable, Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from saga.envelope import Event
from saga.events import (
    Cause,
    CompensationStarted,
    FailureKind,
    RepairAction,
    RunReset,
    SagaEvent,
    SagaStarted,
    SagaStuck,
    Status,
    StepFailed,
    StepRepaired,
    StepStarted,
)
from saga.identity import Direction
from saga.messages import Headline

SagaEventT = TypeVar("SagaEventT", bound=SagaEvent)
AnyEvent = Event[Any]


class StepStatus(StrEnum):
    """How one step of a saga stands."""

    STARTED = "started"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    UNDOING = "undoing"
    UNDO_FAILED = "undo-failed"
    UNDONE = "undone"
    SKIPPED = "skipped"


class Failure(BaseModel):
    """Why a saga was compensated, or what it is stuck on."""

    model_config = ConfigDict(frozen=True)

    step: str
    type: str
    message: str


class SagaState(BaseModel):
    """What the events of a saga add up to."""

    model_config = ConfigDict(frozen=True)

    saga_id: str
    saga_type: str
    headline: Headline
    status: Status
    cause: Cause | None = None
    current_step: str | None = None
    failure: Failure | None = None
    """What caused the compensation."""
    stuck: dict[str, Failure] = {}
    """By step instance, what a person has to repair."""
    stuck_since: datetime | None = None
    """When it became stuck the last time."""
    paused: bool = False
    errors: tuple[Failure, ...] = ()
    """Every failure in the order of the log, the original one first."""
    steps: dict[str, StepStatus] = {}
    """By step instance, in the order in which they started."""
    version: int
    """How many events this state is made of."""
    epoch: int
    position: int
    correlation_id: str
    chain_depth: int = 0
    """How many messages have led to the saga."""
    started_at: datetime
    updated_at: datetime
    closed_at: datetime | None = None
    """When the outcome was reached; the workflow closes after its last state is projected."""


def fold(events: Iterable[AnyEvent]) -> SagaState:
    """The state that the events of one saga add up to, whatever order they come in."""
    ordered = sorted(events, key=lambda event: (event.epoch, event.position))
    if not ordered or ordered[0].event_type != SagaStarted.__name__:
        raise ValueError("a saga's log begins with SagaStarted; is the beginning missing?")
    state = _started(ordered[0])
    for event in ordered[1:]:
        state = apply(state, event)
    return state


def told_last(events: Iterable[AnyEvent]) -> list[AnyEvent]:
    """Of all events of a saga, those that its newest run has, in their order.

    A reset abandons what an older run told after the point that was gone back to; a recovery
    begins a log of its own.
    """
    return _told_last(sorted(events, key=lambda event: (event.epoch, event.position)))


def _told_last(ordered: list[AnyEvent]) -> list[AnyEvent]:
    begins = {SagaStarted.__name__, RunReset.__name__}
    last = max((i for i, it in enumerate(ordered) if it.event_type in begins), default=0)
    copied: list[AnyEvent] = []
    if ordered and ordered[last].event_type == RunReset.__name__:
        reset = data_of(ordered[last], RunReset)
        copied = _told_last(
            [
                event
                for event in ordered[:last]
                if event.position < reset.from_position
                and (event.epoch in reset.epochs or event.position in reset.awaited)
            ]
        )
    # Two runs may have had an answer to one call; the newer one's is what was gone on with.
    told = {event.position: event for event in [*copied, *ordered[last:]]}
    return sorted(told.values(), key=lambda event: (event.epoch, event.position))


def apply(state: SagaState, event: AnyEvent) -> SagaState:
    """The state after one more event, which must stand after all that `state` is made of."""
    change = _CHANGES.get(event.event_type, _answered)
    after = state.model_copy(
        update={
            **change(state, event),
            "version": state.version + 1,
            "epoch": event.epoch,
            "position": event.position,
            "updated_at": max(state.updated_at, event.occurred_at),
        }
    )
    return after.model_copy(update={"status": _status(after)})


def _status(state: SagaState) -> Status:
    if state.status.final:
        return state.status
    if state.stuck:
        return Status.STUCK
    if state.paused:
        return Status.PAUSED
    return Status.RUNNING if state.cause is None else Status.COMPENSATING


def data_of(event: AnyEvent, kind: type[SagaEventT]) -> SagaEventT:
    """The event's data as `kind`, whether it is still JSON or not."""
    return event.data if isinstance(event.data, kind) else kind.model_validate(event.data)


def _started(event: AnyEvent) -> SagaState:
    started = data_of(event, SagaStarted)
    return SagaState(
        saga_id=event.saga_id,
        saga_type=started.saga_type,
        headline=started.headline,
        status=Status.RUNNING,
        version=1,
        epoch=event.epoch,
        position=event.position,
        correlation_id=event.correlation_id,
        chain_depth=started.chain_depth,
        started_at=event.occurred_at,
        updated_at=event.occurred_at,
    )


Change = dict[str, object]


def _step(state: SagaState, event: AnyEvent, status: StepStatus) -> Change:
    return {} if event.step is None else {"steps": {**state.steps, event.step: status}}


def _answered(state: SagaState, event: AnyEvent) -> Change:
    done = event.direction is Direction.DO
    return _step(state, event, StepStatus.DONE if done else StepStatus.UNDONE)


def _step_started(state: SagaState, event: AnyEvent) -> Change:
    undoing = event.direction is Direction.UNDO
    return {
        **_step(state, event, StepStatus.UNDOING if undoing else StepStatus.STARTED),
        "current_step": data_of(event, StepStarted).name,
    }


def _step_failed(state: SagaState, event: AnyEvent) -> Change:
    failed = data_of(event, StepFailed)
    if event.direction is Direction.UNDO:
        status = StepStatus.UNDO_FAILED
    elif failed.kind is FailureKind.REFUSED:
        status = StepStatus.REFUSED
    else:
        status = StepStatus.FAILED
    return {**_step(state, event, status), "errors": (*state.errors, _failure(failed))}


def _failure(failed: StepFailed) -> Failure:
    return Failure(step=failed.name, type=failed.type, message=failed.message)


def _compensating(_: SagaState, event: AnyEvent) -> Change:
    started = data_of(event, CompensationStarted)
    return {
        "cause": started.cause,
        "failure": started.failure and _failure(started.failure),
        "stuck": {},
    }


def _stuck(state: SagaState, event: AnyEvent) -> Change:
    failed = data_of(event, SagaStuck).failure
    stuck = {**state.stuck, event.step or failed.name: _failure(failed)}
    since = state.stuck_since if state.stuck else event.occurred_at
    return {"stuck": stuck, "stuck_since": since, "current_step": failed.name}


def _repaired(state: SagaState, event: AnyEvent) -> Change:
    skipped = data_of(event, StepRepaired).action is RepairAction.SKIP
    return {
        **(_step(state, event, StepStatus.SKIPPED) if skipped else {}),
        "stuck": {step: why for step, why in state.stuck.items() if step != event.step},
    }


def _final(status: Status) -> Callable[[SagaState, AnyEvent], Change]:
    def change(_: SagaState, event: AnyEvent) -> Change:
        return {"status": status, "current_step": None, "closed_at": event.occurred_at}

    return change


_CHANGES: dict[str, Callable[[SagaState, AnyEvent], Change]] = {
    "SagaStarted": lambda _state, _event: {},
    "StepStarted": _step_started,
    "StepFailed": _step_failed,
    "CompensationStarted": _compensating,
    "SagaStuck": _stuck,
    "StepRepaired": _repaired,
    "SagaPaused": lambda _state, _event: {"paused": True},
    "SagaResumed": lambda _state, _event: {"paused": False},
    "SagaCompleted": _final(Status.COMPLETED),
    "SagaCompensated": _final(Status.COMPENSATED),
    "CancelRequested": lambda _state, _event: {},
    "DeadlinePassed": lambda _state, _event: {},
    "RunReset": lambda _state, _event: {},
    "SagaTerminated": lambda state, event: (
        {} if state.status.final else _final(Status.TERMINATED)(state, event)
    ),
}
"""What each of the engine's events changes; every other event is a participant's answer."""
