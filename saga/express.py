"""The express lane, as the worker has it: the steps before the pivot, one after the other.

The same flow and the same orchestrator, inside one local activity. It goes as far as plain steps
succeed and stops at whatever else comes; `saga.lane` has what the workflow makes of that.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.exceptions import FailureError
from temporalio.service import RPCError

from runtime.correlation import Correlation, enter
from saga.answers import bug
from saga.correlation import of_call
from saga.envelope import Call, Event, JsonObject
from saga.identity import Direction
from saga.lane import (
    CALL,
    LANE,
    SINK,
    CallOrder,
    LaneOrder,
    Made,
    Prefetched,
    answer_of,
    refused,
    registered_name,
)
from saga.log import Log
from saga.named import command_that_starts
from saga.orchestrator import Orchestrator
from saga.pump import Batch
from saga.start import SagaInput
from saga.steps import AnyActivity, Policy, call_type
from saga.workflow import SagaWorkflow

Bound = Callable[[Call[Any]], Awaitable[Event[Any]]]
"""A method of an activity class's instance."""

BUDGET = timedelta(seconds=1)
"""How long a lane calls; a step that has no answer then is asked for in the workflow."""
_LOOK_LIMIT = timedelta(milliseconds=500)
"""How long it may take to find out whether there was a lane before this one."""
_LOST = {
    EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
}


class Stopped(BaseException):
    """Unwinds a story at the end of its lane; no `Exception`, as it must pass."""


class InLane:
    """The lane as host: what it has called, and whether another lane could have called more."""

    run_id: str
    settled = True

    def __init__(self, order: LaneOrder, activities: dict[str, Bound]) -> None:
        info = activity.info()
        self.saga_id = info.workflow_id or ""
        self.run_id = info.workflow_run_id or ""
        self.started_at = order.started_at
        self.made: list[Made] = []
        self.nothing_more = False
        """Whether every lane of this saga stops where this one has."""
        self.refused = False
        """Whether it has stopped at a refusal."""
        self._stopped = False
        self._activities = activities
        self._until = asyncio.get_running_loop().time() + BUDGET.total_seconds()

    async def until_settled(self) -> None:
        """Nobody asks anything of a lane."""

    def now(self) -> datetime:
        """The start's: every lane of a saga must ask the same."""
        return self.started_at

    def story_time(self) -> datetime:
        """The same."""
        return self.started_at

    def seed(self) -> int:
        """Never another."""
        return 0

    def stop(self, *, nothing_more: bool = False) -> Stopped:
        """Call nothing any more; what it returns is to be raised."""
        if not self._stopped:
            self._stopped, self.nothing_more = True, nothing_more
        return Stopped()

    async def wait_for(
        self,
        condition: Callable[[], bool],
        *,
        timeout: timedelta | None = None,
        summary: str | None = None,
    ) -> None:
        """Go on if there is nothing to wait for."""
        if self._stopped or not condition():
            raise self.stop()

    async def off_the_lane(self, *, plain: bool = False) -> None:
        """Stop: every lane of this saga does so here."""
        raise self.stop(nothing_more=True)

    def call(self, activity: AnyActivity, call: Call[Any], policy: Policy) -> asyncio.Task[Any]:
        """Call the method itself, once."""
        if self._stopped:
            raise Stopped
        bound = self._activities.get(registered_name(activity))
        if bound is None or call.direction is not Direction.DO:
            raise self.stop()
        return asyncio.create_task(self._call(activity, bound, call, policy))

    async def _call(
        self, activity: AnyActivity, bound: Bound, call: Call[Any], policy: Policy
    ) -> Event[Any]:
        left = self._until - asyncio.get_running_loop().time()
        if left <= 0:
            raise self.stop()
        making = asyncio.create_task(made_by(bound, call))
        try:
            await asyncio.wait({making}, timeout=min(left, policy.attempt_timeout.total_seconds()))
        finally:
            # It may be deaf to that, and then ends behind our back: it is asked for again.
            making.cancel()
        if not making.done():
            making.add_done_callback(_forget)
            raise self.stop()
        try:
            made = making.result()
        except FailureError as error:
            # What is refused to one is refused to all, so none has come further.
            self.refused = not self._stopped and refused(error)
            raise self.stop(nothing_more=self.refused) from error
        except (TimeoutError, asyncio.CancelledError) as error:
            raise self.stop() from error
        if self._stopped:
            raise Stopped
        self.made.append(made)
        return answer_of(activity, made.answer)

    def record(self, event: Event[JsonObject]) -> None:
        """Nothing: what is to be recorded comes after the lane."""

    def patched(self, change: str) -> bool:
        """Stop: only a history can answer."""
        raise self.stop(nothing_more=True)

    def deprecate_patch(self, change: str) -> None:
        """Stop."""
        raise self.stop(nothing_more=True)


class ExpressLane:
    """The local activities of a worker's express sagas."""

    def __init__(
        self, sagas: Iterable[type[SagaWorkflow[Any]]], activities: Iterable[Callable[..., Any]]
    ) -> None:
        self._sagas = {saga.kind.workflow: saga for saga in sagas}
        self._activities: dict[str, Callable[..., Awaitable[Any]]] = {}
        for function in activities:
            definition = activity._Definition.from_callable(function)
            if definition is not None and definition.name is not None:
                self._activities[definition.name] = function

    def activities(self) -> list[Callable[..., Awaitable[object]]]:
        """What the worker registers."""
        return [self.express_lane, self.express_call, self.express_sink]

    @activity.defn(name=LANE)
    async def express_lane(self, order: LaneOrder) -> Prefetched:
        """Tell a saga's story as far as plain steps before its pivot succeed."""
        saga = self._sagas[activity.info().workflow_type or ""]
        start = SagaInput[command_that_starts(saga)].model_validate(order.start)  # type: ignore[misc]
        host = InLane(order, self._activities)
        log = Log(host, saga.kind.name, start, epoch=order.epoch)
        enter(Correlation(log.correlation_id, start.causation_id, host.saga_id))
        orchestrator = Orchestrator(log, None)
        told = asyncio.create_task(
            orchestrator.execute(lambda: saga().flow(orchestrator, start.command))
        )
        try:
            # Cancelled itself, the story would take it for the end of a call.
            await asyncio.wait([told])
        finally:
            host.stop()
            told.cancel()
        if (error := told.exception()) is not None and not isinstance(error, Stopped):
            raise error  # The story's own, which its workflow will come to as well.
        nothing_more = host.nothing_more or await _was_the_first()
        return Prefetched(
            made=tuple(host.made),
            settled=nothing_more,
            refused=host.refused,
            epoch=order.epoch,
        )

    @activity.defn(name=CALL)
    async def express_call(self, order: CallOrder) -> Prefetched:
        """Make one call, once; what does not succeed is to be made as in any saga."""
        bound = self._activities.get(order.activity)
        if bound is None:
            return Prefetched()
        call = call_type(bound).model_validate(order.call)
        try:
            return Prefetched(made=(await made_by(bound, call),))
        except FailureError:
            return Prefetched()

    @activity.defn(name=SINK)
    async def express_sink(self, name: str, batch: Batch) -> bool:
        """Hand a batch to a sink; whether this worker has its activity."""
        sink = self._activities.get(name)
        if sink is None:
            return False
        await sink(batch)
        return True


def _forget(late: asyncio.Task[Made]) -> None:
    """Nobody waits for it any more, and an error nobody retrieves is logged."""
    if not late.cancelled():
        late.exception()


async def made_by(bound: Bound, call: Call[Any]) -> Made:
    """A call and its answer; raises FailureError for whatever else comes."""
    enter(of_call(call))
    try:
        answer = await bound(call)
    except (FailureError, TimeoutError):
        raise
    except Exception as error:
        raise bug(call, error) from error
    return Made(call=call.model_dump(mode="json"), answer=answer.model_dump(mode="json"))


async def _was_the_first() -> bool:
    """Whether this saga had no lane before, whose worker was lost before its history had it."""
    info = activity.info()
    handle = activity.client().get_workflow_handle(
        info.workflow_id or "", run_id=info.workflow_run_id
    )
    try:
        async with asyncio.timeout(_LOOK_LIMIT.total_seconds()):
            history = await handle.fetch_history()
    except (RPCError, TimeoutError):
        return False
    return not any(event.event_type in _LOST for event in history.events)
