"""How an activity answers a call; the kinds of failure are told apart by these functions.

answered        the participant's domain event
refused         it did nothing and never will: the saga compensates at once
outage          nobody knows: retried with backoff, `Retry-After` obeyed
misconfigured   our mistake and not the customer's: retried slowly, counted, logged as an error
bug             an unexpected exception: retried slowly, counted, logged with its traceback
"""

from datetime import UTC, datetime, timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from saga.envelope import Call, CommandT, Event, EventT
from saga.events import FailureKind, StepFailed
from saga.identity import later_epoch

SLOW_RETRY = timedelta(seconds=60)
"""The pause before an attempt that only a person's change can make succeed."""


def answered(
    call: Call[CommandT], event: EventT, *, version: int, occurred_at: datetime
) -> Event[EventT]:
    """The answer to a call, with the aggregate's version and its stored time.

    A call that a reset has copied into another run answers in a later epoch than it was sent in.
    """
    copied = activity.info().workflow_run_id != call.run_id
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
        schema_version=event.schema_version,
        data=event,
    )


def refused(call: Call[CommandT], problem_type: str, detail: str) -> ApplicationError:
    """A documented refusal, not retried; the event that tells of it travels in the details."""
    failed = StepFailed(
        saga_id=call.saga_id,
        name=call.name,
        kind=FailureKind.REFUSED,
        type=problem_type,
        message=detail,
    )
    event = answered(call, failed, version=call.position + 1, occurred_at=datetime.now(UTC))
    return ApplicationError(
        detail,
        event.model_dump(mode="json"),
        type=problem_type,
        non_retryable=True,
        category=ApplicationErrorCategory.BENIGN,
    )


def outage(detail: str, *, retry_after: timedelta | None = None) -> ApplicationError:
    """The participant can't be reached, or can't answer now."""
    return ApplicationError(detail, type="Outage", next_retry_delay=retry_after)


def misconfigured(detail: str) -> ApplicationError:
    """The call itself is wrong (401, 403, 404, ...): retried until someone mends it."""
    _count("saga_misconfigurations", "Calls that a participant would not take from us")
    activity.logger.error("misconfigured: %s", detail)
    return ApplicationError(detail, type="Misconfiguration", next_retry_delay=SLOW_RETRY)


def bug(error: Exception) -> ApplicationError:
    """An exception that nobody foresaw: retried until it is mended."""
    _count("saga_bugs", "Unexpected exceptions in activities")
    activity.logger.error("a bug in an activity", exc_info=error)
    detail = f"{type(error).__name__}: {error}"
    return ApplicationError(detail, type="Bug", next_retry_delay=SLOW_RETRY)


def _count(name: str, description: str) -> None:
    activity.metric_meter().create_counter(name, description).add(1)
