"""The express lane: a whole saga inside one activity, for those that take milliseconds.

The same flow and the same orchestrator. What is lost with the worker is begun anew by the next
attempt of the activity, with the same keys: participants answer what they answered, or `undone`.
Nobody can pause or repair it; what would be stuck fails the attempt, and Temporal tries again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, FailureError, TimeoutType
from temporalio.exceptions import TimeoutError as AttemptTimedOut

from runtime.correlation import Correlation, enter
from saga.answers import bug
from saga.correlation import inherited, of_call
from saga.course import Course
from saga.envelope import Call, Event, JsonObject
from saga.events import StepFailed
from saga.identity import saga_id
from saga.interceptor import heartbeat
from saga.log import Log
from saga.messages import SagaCommandT
from saga.orchestrator import Orchestrator
from saga.pump import Batch
from saga.start import Request, SagaInput
from saga.steps import AnyActivity, Policy
from saga.workflow import SagaWorkflow

Bound = Callable[[Call[Any]], Awaitable[Event[Any]]]
"""A method of an activity class's instance."""

_LOOK = 0.01
"""Seconds between looks at a condition."""


class Stopped(BaseException):
    """Unwinds what the worker's shutdown ends; the next attempt of the activity begins anew."""


class Stuck(BaseException):
    """Unwinds what needs a person; no `Exception`, as a story must not catch it."""


class InActivity:
    """An activity as host: nothing is kept but the answer at its end."""

    def __init__(
        self, saga_id: str, activities: Iterable[Bound], wanted: Iterable[AnyActivity]
    ) -> None:
        self.stopped = False
        """Whether nothing may be called, or waited for, any more."""
        self._saga_id = saga_id
        self._activities = {bound.__name__: bound for bound in activities}
        if missing := {it.__name__ for it in wanted} - self._activities.keys():
            raise ValueError(f"activities are missing: {', '.join(sorted(missing))}")
        self._calls: set[asyncio.Task[Any]] = set()

    @property
    def saga_id(self) -> str:
        """The id that a workflow of this saga would have."""
        return self._saga_id

    @property
    def run_id(self) -> str:
        """The run that the activity belongs to."""
        return activity.info().workflow_run_id or ""

    @property
    def started_at(self) -> datetime:
        """When the activity was scheduled, the same for each attempt."""
        return activity.info().scheduled_time

    def now(self) -> datetime:
        """The time of the clock."""
        return datetime.now(UTC)

    def seed(self) -> int:
        """Never another: an activity is not reset."""
        return 0

    async def wait_for(
        self,
        condition: Callable[[], bool],
        *,
        timeout: timedelta | None = None,
        summary: str | None = None,
    ) -> None:
        """Look until the condition holds."""
        async with asyncio.timeout(timeout.total_seconds() if timeout is not None else None):
            # Conditions are plain Python; nobody says when one has changed.
            while not condition():
                await asyncio.sleep(_LOOK)
                if self.stopped:
                    raise asyncio.CancelledError

    def call(self, activity: AnyActivity, call: Call[Any], policy: Policy) -> asyncio.Task[Any]:
        """Call the method itself, again and again as its policy says."""
        if self.stopped:
            raise Stopped
        made = asyncio.create_task(_tried(self._activities[activity.__name__], call, policy))
        self._calls.add(made)
        made.add_done_callback(self._calls.discard)
        return made

    async def stop(self) -> None:
        """Call nothing more, and end what is called: the next attempt may be under way soon."""
        self.stopped = True
        calls = tuple(self._calls)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    def record(self, event: Event[JsonObject]) -> None:
        """Nothing: the activity answers with all events."""

    def patched(self, change: str) -> bool:
        """Always: an attempt begins anew, and participants know what was done by its keys."""
        return True

    def deprecate_patch(self, change: str) -> None:
        """Nothing: no history has to be replayed."""

    def held_up(self, failed: StepFailed) -> None:
        """Fail the attempt."""
        raise Stuck(f"stuck: {failed.name}: {failed.type}: {failed.message}")


async def express(
    saga: type[SagaWorkflow[SagaCommandT]],
    start: SagaInput[SagaCommandT],
    activities: Iterable[Bound],
) -> Batch:
    """Run a saga inside the activity that calls this; its events, and what they add up to.

    A cancel of the activity compensates, unless it comes from the worker's shutdown. Give the
    activity a heartbeat timeout, so that an attempt which was given up hears of it and stops.

    Raises:
        ApplicationError: the saga is stuck; retryable, under the same keys. Temporal does not retry
            an activity that was cancelled: the workflow must then call it again, until it returns.
        ValueError: the saga has a pivot, which an attempt that was given up but goes on could
            undo behind the next one's back; or an activity of a step is not given.
    """
    if any(step.pivot for step in saga.steps):
        raise ValueError(f"{saga.__name__} has a pivot: run it as a workflow")
    wanted = [it for step in saga.steps for one in step.with_fallbacks() for it in one.activities]
    start = inherited(start)
    business_id = start.command.headline().business_id
    host = InActivity(saga_id(saga.kind.name, business_id), activities, wanted)
    log = Log(host, saga.kind.name, start)
    enter(Correlation(log.correlation_id, start.causation_id, host.saga_id))
    orchestrator = Orchestrator(log, start.deadline or saga.deadline)
    story = saga()
    beating = asyncio.create_task(heartbeat())
    whole = asyncio.create_task(
        orchestrator.execute(lambda: story.flow(orchestrator, start.command))
    )
    try:
        await _outlast(whole, orchestrator.course, host)
    except Stuck as stuck:
        raise ApplicationError(str(stuck), type="Stuck") from stuck
    finally:
        beating.cancel()
        await host.stop()
    return Batch(state=log.state, events=tuple(log.events))


async def _outlast(whole: asyncio.Task[None], course: Course, host: InActivity) -> None:
    cancelling: asyncio.Task[object] | None = None
    while not whole.done():
        try:
            await asyncio.shield(whole)
        except asyncio.CancelledError:
            details = activity.cancellation_details()
            if whole.done():
                break
            if cancelling is not None:
                continue  # There is no attempt after a cancelled one, so nothing is cut off.
            if details is None or not details.cancel_requested:
                host.stopped = True
                whole.cancel()
                await asyncio.wait([whole])
                raise
            request = Request(by="temporal", reason="the activity was cancelled")
            cancelling = asyncio.create_task(course.cancel(request))
    whole.result()
    if cancelling is not None:
        await cancelling


async def _tried(bound: Bound, call: Call[Any], policy: Policy) -> Event[Any]:
    enter(of_call(call))
    clock = asyncio.get_running_loop().time
    until = None if policy.give_up_after is None else clock() + policy.give_up_after.total_seconds()
    pause, attempt = policy.first_pause, 1
    while True:
        try:
            return await _attempt(bound, call, policy)
        except FailureError as error:
            out_of_attempts = policy.max_attempts and attempt >= policy.max_attempts
            told = isinstance(error, ApplicationError) and error.non_retryable
            if told or out_of_attempts:
                raise
            asked = error.next_retry_delay if isinstance(error, ApplicationError) else None
            wait = asked or pause
            if until is not None and clock() + wait.total_seconds() > until:
                raise
        await asyncio.sleep(wait.total_seconds())
        pause, attempt = min(pause * 2, policy.longest_pause), attempt + 1


async def _attempt(bound: Bound, call: Call[Any], policy: Policy) -> Event[Any]:
    try:
        async with asyncio.timeout(policy.attempt_timeout.total_seconds()):
            return await bound(call)
    except FailureError:
        raise
    except TimeoutError as error:
        raise AttemptTimedOut(
            "no answer in time", type=TimeoutType.START_TO_CLOSE, last_heartbeat_details=[]
        ) from error
    except Exception as error:
        raise bug(call, error) from error
