"""How an activity answers a call; the kinds of failure are told apart by these functions.

answered        the participant's domain event
refused         it did nothing and never will: the saga compensates at once
did_not_happen  what a probe answers when the participant doesn't know the key
outage          nobody knows: retried with backoff, `Retry-After` obeyed
misconfigured   our mistake and not the customer's: counted, logged; the saga is stuck, not undone
bug             an unexpected exception: counted, logged with its traceback; stuck, not undone
"""

from datetime import UTC, datetime, timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from saga.envelope import Call, CommandT, Event, EventT
from saga.events import FailureKind, StepFailed
from saga.identity import later_epoch

UNDONE = "urn:problem:undone"
"""The type of the refusal of an action whose undo has taken effect; see docs/participants.md."""

KEY_REUSED = "urn:problem:key-reused"
"""The type of the refusal of other content by a key: what was done by the key before stands."""


def answered(
    call: Call[CommandT], event: EventT, *, version: int, occurred_at: datetime
) -> Event[EventT]:
    """The answer to a call, with the aggregate's version and its stored time.

    A call that a reset has copied into another run answers in a later epoch than it was sent in.
    """
    copied = (activity.info().workflow_run_id or "") != call.run_id
    return Event[EventT](
        saga_id=call.saga_id,
        correlation_id=call.correlation_id,
        epoch=later_epoch(call.epoch, datetime.now(UTC)) if copied else call.epoch,
        position=call.position + 1,
        causation_id=call.command_id,
        step=call.step,
        direction=call.direction,
        event_type=type(event).__name__,
        aggregate_id=event.aggregate_id,
        aggregate_type=event.aggregate_type,
        version=version,
        occurred_at=occurred_at,
        data=event,
    )


def refused(call: Call[CommandT], problem_type: str, detail: str) -> ApplicationError:
    """A documented refusal, not retried."""
    return _failed(call, FailureKind.REFUSED, problem_type, detail)


def did_not_happen(call: Call[CommandT]) -> ApplicationError:
    """A probe's answer: the participant has not done what has this call's key."""
    return refused(call, "urn:saga:did-not-happen", f"{call.key} is not known")


def outage(detail: str, *, retry_after: timedelta | None = None) -> ApplicationError:
    """The participant can't be reached, or can't answer now."""
    return ApplicationError(detail, type="Outage", next_retry_delay=retry_after)


def misconfigured(call: Call[CommandT], detail: str) -> ApplicationError:
    """The call itself is wrong (401, 403, 404, ...); the saga is stuck until someone mends it."""
    _count("saga_misconfigurations", "Calls that a participant would not take from us")
    activity.logger.error("misconfigured: %s", detail)
    return _failed(call, FailureKind.MISCONFIGURED, "Misconfiguration", detail)


def bug(call: Call[CommandT], error: Exception) -> ApplicationError:
    """An exception that nobody foresaw; the saga is stuck until it is mended."""
    _count("saga_bugs", "Unexpected exceptions in activities")
    activity.logger.error("a bug in an activity", exc_info=error)
    return _failed(call, FailureKind.BUG, "Bug", f"{type(error).__name__}: {error}")


def _failed(
    call: Call[CommandT], kind: FailureKind, error_type: str, detail: str
) -> ApplicationError:
    """An error that the server does not retry; the event that tells of it is in its details."""
    failed = StepFailed(
        saga_id=call.saga_id, name=call.name, kind=kind, type=error_type, message=detail
    )
    event = answered(call, failed, version=call.position + 1, occurred_at=datetime.now(UTC))
    return ApplicationError(
        detail,
        event.model_dump(mode="json"),
        type=error_type,
        non_retryable=True,
        category=ApplicationErrorCategory.BENIGN
        if kind is FailureKind.REFUSED
        else ApplicationErrorCategory.UNSPECIFIED,
    )


def _count(name: str, description: str) -> None:
    activity.metric_meter().create_counter(name, description).add(1)
