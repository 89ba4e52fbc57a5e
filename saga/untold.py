"""The events that no payload of a history holds as they are; whoever reads it makes them of it."""

from collections.abc import Iterable
from datetime import datetime

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from saga.envelope import Event, JsonObject, Place
from saga.events import RunReset, SagaEvent, SagaStarted, SagaTerminated, StepStarted
from saga.identity import later_epoch
from saga.log import saga_event

Told = Event[JsonObject]

CLOSING = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW,
}
"""What a run ends with."""


def started(saga_id: str, given: JsonObject, saga_type: str, at: datetime, epoch: int) -> Told:
    """The beginning of a saga whose workflow was given the input `given`."""
    event = SagaStarted.model_validate(
        {
            "saga_id": saga_id,
            "saga_type": saga_type,
            "headline": given["headline"],
            "command_type": given["command_type"],
            "command": given["command"],
            "chain_depth": given.get("chain_depth", 0),
        }
    )
    correlation_id, causation_id = given.get("correlation_id"), given.get("causation_id")
    place = Place(
        saga_id=saga_id,
        epoch=epoch,
        position=0,
        correlation_id=str(correlation_id or saga_id),
        causation_id=None if causation_id is None else str(causation_id),
    )
    return saga_event(event, place, at)


def reset_at(at: datetime, events: Iterable[Told]) -> Told:
    """What a run that was reset would have told, had it not been ended before it could.

    The run before has told other events at the places that follow.
    """
    told = list(events)
    reset = RunReset(
        saga_id=told[0].saga_id,
        # An answer that was awaited here came in the run before alone.
        from_position=1 + max(event.position for event in told),
        epochs=tuple(sorted({event.epoch for event in told})),
    )
    return _last(reset, at, told, later_epoch(max(event.epoch for event in told), at))


def ended_from_outside(saga_id: str, event: HistoryEvent) -> SagaTerminated | None:
    """How a workflow was ended that did not come to its end by itself."""
    if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED:
        terminated = event.workflow_execution_terminated_event_attributes
        by, reason = terminated.identity or None, terminated.reason or None
        return SagaTerminated(saga_id=saga_id, how="terminated", by=by, reason=reason)
    if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT:
        return SagaTerminated(saga_id=saga_id, how="timed-out")
    if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
        why = event.workflow_execution_failed_event_attributes.failure.message or None
        return SagaTerminated(saga_id=saga_id, how="failed", reason=why)
    return None


def terminated(at: datetime, ended: SagaTerminated, events: Iterable[Told]) -> Told:
    """How a run that told these events was ended from outside."""
    told = list(events)
    return _last(ended, at, told, max(event.epoch for event in told))


def _last(event: SagaEvent, at: datetime, told: list[Told], epoch: int) -> Told:
    before = max(told, key=lambda it: (it.epoch, it.position))
    place = Place(
        saga_id=before.saga_id,
        epoch=epoch,
        position=_next_place(told),
        correlation_id=before.correlation_id,
        causation_id=before.event_id,
    )
    return saga_event(event, place, at)


def _next_place(told: Iterable[Told]) -> int:
    return 1 + max(_last_place(event) for event in told)


def _last_place(event: Told) -> int:
    # The place of its answer is taken, whether there is one or not.
    return event.position + (event.event_type == StepStarted.__name__)
