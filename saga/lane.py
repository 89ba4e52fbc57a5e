"""The express lane, as a saga's workflow has it: a prefetch of answers.

One local activity asks a story's steps before its pivot one after the other (`saga.express`), and
what they answered comes back at once. The story is then told as ever, and its calls are answered
from there. What the lane did not do goes out as in any saga, by the same keys.

Until the story has come to where every lane stops (its pivot, its end, a refusal), nothing may end
or hold it: a lane whose worker was lost may have gone further than the one that has answered, and
what it did is undone only if the story has asked for it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict
from temporalio import activity as activities
from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, FailureError, is_cancelled_exception
from typing_extensions import override

from saga.calls import failure_of
from saga.envelope import Call, Event, JsonObject, SentCall
from saga.events import FailureKind
from saga.host import InWorkflow
from saga.identity import Direction
from saga.log import told
from saga.steps import AnyActivity, Policy

LANE = "express_lane"
"""The local activity that does all steps before the pivot."""
CALL = "express_call"
"""The local activity that does one step after it, or takes one back."""
SINK = "express_sink"
"""The local activity that hands a saga's end to a sink, if its worker has the sink's."""

LANE_LIMIT = timedelta(seconds=2)
"""When a lane that has not answered is given up; it stops by itself before that."""
FIRST_TRY = timedelta(seconds=1)
"""How long the pivot, what comes after it, what the lane was refused, and an undo may take before
it is called as in any saga."""

ONCE = RetryPolicy(maximum_attempts=1)


class LaneOrder(BaseModel):
    """What the lane needs to tell the story as its workflow will."""

    model_config = ConfigDict(frozen=True)

    start: JsonObject
    """The workflow's input."""
    epoch: int
    started_at: datetime


class Made(BaseModel):
    """A call and its answer; the history has no local activity's input, so both stand here."""

    model_config = ConfigDict(frozen=True)

    call: JsonObject
    answer: JsonObject


class Prefetched(BaseModel):
    """What came of a lane, or of one call."""

    model_config = ConfigDict(frozen=True)

    made: tuple[Made, ...] = ()
    """What was done, in its order; nothing of a call that is to be made as in any saga."""
    settled: bool = False
    """Whether no lane of this saga can have called more, beside the call that comes next."""
    refused: bool = False
    """Whether the call that comes next was refused."""
    epoch: int | None = None
    """In which a lane was told."""


class CallOrder(BaseModel):
    """One call for the local activity, and which activity it is for."""

    model_config = ConfigDict(frozen=True)

    activity: str
    call: JsonObject


def registered_name(activity: Callable[..., object]) -> str:
    """The name that a worker has an activity by."""
    return activities._Definition.must_from_callable(activity).name or activity.__name__


def refused(error: BaseException | None) -> bool:
    """Whether an error says that the participant did nothing, and never will."""
    answer = told(error)
    failed = None if answer is None else failure_of(answer)
    return failed is not None and failed.kind is FailureKind.REFUSED


def answer_of(activity: AnyActivity, answer: JsonObject) -> Event[Any]:
    """An answer as the story gets it, of the type that the activity's hints name."""
    event: type[Event[Any]] = get_type_hints(activity)["return"]
    return event.model_validate(answer)


class InExpress(InWorkflow):
    """A workflow whose steps before the pivot are asked for in the lane."""

    def __init__(self) -> None:
        self._made: dict[str, Made] = {}
        """By idempotency key, what the story has not asked for yet."""
        self._nothing_more = False
        """Whether no lane can have called more than what the story asks for next."""
        self._refused = False
        """Whether that was refused."""
        self._settled = True
        self._sending = False
        """Whether it was settled by a call that goes out in the same workflow task."""
        self._one_way = False
        """Whether it is on record that nothing is undone any more, or everything."""
        self.plain = True
        """Whether each call is short: what has come is success, or a refusal and its undos."""

    @property
    @override
    def settled(self) -> bool:
        return self._settled

    @override
    def story_time(self) -> datetime:
        """The start until all is settled: the same for every lane, as commands may say it."""
        return self.now() if self._settled else self.started_at

    @override
    async def until_settled(self) -> None:
        if self._settled:
            return
        await self.wait_for(lambda: self._settled)
        if self._sending:
            # A command that is cancelled in its own task is left out, and this one is to be on
            # record: the lane may have made its call.
            await workflow.sleep(timedelta(milliseconds=1))

    async def fetch(self, start: BaseModel, epoch: int) -> int | None:
        """Run the lane; from now on the story is neither ended nor held before it is settled.

        Returns:
            The epoch that it was told in, the same on every replay; None if it was lost.
        """
        self._settled, seed = False, self.seed()
        order = LaneOrder(
            start=start.model_dump(mode="json"), epoch=epoch, started_at=self.started_at
        )
        try:
            fetched: Prefetched = await workflow.execute_local_activity(
                LANE,
                order,
                result_type=Prefetched,
                schedule_to_close_timeout=LANE_LIMIT,
                retry_policy=ONCE,
                summary="the steps before the pivot",
            )
        except FailureError:  # In a replay, its cause.
            return None  # Nobody knows how far it came, so the story asks for all of it.
        if self.seed() == seed:  # Else it was done by the run before a reset.
            self._made = {SentCall.model_validate(it.call).key: it for it in fetched.made}
            self._nothing_more, self._refused = fetched.settled, fetched.refused
        return fetched.epoch

    @override
    async def off_the_lane(self, *, plain: bool = False) -> None:
        if not plain:
            self.plain = False
        if not self._settled:
            self._settle()
            # What has waited for this comes first.
            await self.wait_for(lambda: True)

    @override
    def patched(self, change: str) -> bool:
        self._leave()
        return super().patched(change)

    @override
    def deprecate_patch(self, change: str) -> None:
        self._leave()
        super().deprecate_patch(change)

    def _leave(self) -> None:
        self.plain = False
        self._leave_settled()

    def _leave_settled(self) -> None:
        if not self._settled:
            self._settle()

    def _settle(self) -> None:
        if self._made:
            names = ", ".join(sorted(self._made))
            raise RuntimeError(f"the story does not ask for what its lane has done: {names}")
        self._settled = True

    @override
    def call(self, activity: AnyActivity, call: Call[Any], policy: Policy) -> asyncio.Task[Any]:
        if (made := self._made.pop(call.key, None)) is not None:
            return asyncio.create_task(_known(activity, call, made))
        if self.plain and self._one_way:
            return asyncio.create_task(self._local(activity, call, policy))
        undo = call.direction is Direction.UNDO
        if self.plain and (call.pivot or undo or (self._refused and not self._settled)):
            return asyncio.create_task(self._shortly(activity, call, policy))
        self.plain = False
        usual = super().call(activity, call, policy)
        if self._settled:
            return usual
        if self._nothing_more:
            self._settle()
            self._sending = True
            return usual
        return asyncio.create_task(self._asked_again(usual))

    async def _asked_again(self, usual: Awaitable[Any]) -> Any:
        """A call that a lane may have made; where it is refused, every lane has stopped."""
        try:
            return await usual
        except ActivityError as error:
            if refused(error.cause):
                self._settle()
            raise

    async def _shortly(self, activity: AnyActivity, call: Call[Any], policy: Policy) -> Any:
        """Try once, for a short time, and then as in any saga; no timer needs to run beside it."""
        once = replace(
            policy, max_attempts=1, give_up_after=min(policy.give_up_after or FIRST_TRY, FIRST_TRY)
        )
        try:
            answer = await super().call(activity, call, once)
        except ActivityError as error:
            self.plain = self.plain and refused(error.cause)
            self._leave_settled()
            if told(error.cause) is not None or is_cancelled_exception(error):
                raise
            return await super().call(activity, call, policy)
        self._leave_settled()
        self._one_way = call.pivot or call.direction is Direction.UNDO
        return answer

    async def _local(self, activity: AnyActivity, call: Call[Any], policy: Policy) -> Any:
        """A call that must succeed: here first, and else as in any saga.

        It is not on record before it has ended, and a worker that is lost makes it again.
        """
        order = CallOrder(activity=registered_name(activity), call=call.model_dump(mode="json"))
        try:
            fetched: Prefetched = await workflow.execute_local_activity(
                CALL,
                order,
                result_type=Prefetched,
                schedule_to_close_timeout=FIRST_TRY,
                retry_policy=ONCE,
                summary=call.command.summary(),
            )
        except FailureError:
            fetched = Prefetched()
        if fetched.made:
            return answer_of(activity, fetched.made[0].answer)
        self.plain = False
        return await super().call(activity, call, policy)


async def _known(activity: AnyActivity, call: Call[Any], made: Made) -> Event[Any]:
    # A reset copies what was made into another run.
    asked = {**call.model_dump(mode="json"), "run_id": made.call["run_id"]}
    if asked != made.call:
        raise RuntimeError(f"{call.name}: the story asks otherwise than it did in its lane")
    return answer_of(activity, made.answer)
