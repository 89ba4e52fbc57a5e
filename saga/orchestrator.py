"""The orchestrator: does steps, and takes them back in reverse when the saga can't complete.

It runs in tasks that Temporal never cancels (only the workflow's main coroutine is, and that one
does nothing but wait), so every way of ending early comes through `Course`, and no await here has
to be shielded.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import TypeVar, cast

from temporalio.exceptions import FailureError

from saga.answers import KEY_REUSED, UNDONE
from saga.calls import Calls, failure_of
from saga.compensation import Compensation
from saga.course import Course, Interrupted, Phase
from saga.entry import Entry, entries_of
from saga.envelope import CommandT, EventT
from saga.errors import SagaError, StepRefused
from saga.events import (
    HOLDS_UP,
    UNKNOWN,
    FailureKind,
    SagaCompleted,
    StepFailed,
)
from saga.identity import Direction, step_instance
from saga.insistence import Insistence
from saga.log import Log
from saga.repairs import Repairs
from saga.start import Recovery, Repair, Reply
from saga.state import AnyEvent
from saga.steps import AnyStep, Step

T = TypeVar("T")

_undone_together: ContextVar[object | None] = ContextVar("_undone_together", default=None)
"""The parallel group, if its steps are to be undone at once."""


class Orchestrator:
    """Executes one saga in its workflow; this is the `Saga` that a flow is handed."""

    def __init__(self, log: Log, deadline: timedelta | None) -> None:
        self._log = log
        self._entries: list[Entry] = []
        self._counts: Counter[str] = Counter()
        self._calls = Calls(log)
        self._resetting = asyncio.Lock()
        self._resets = 0
        """After how many what is done was done or asked for."""
        self.course = Course(log, self._calls, deadline)
        self.repairs = Repairs(log)
        self._insistence = Insistence(self._calls, self.course, self.repairs, self.notice_reset)
        self._compensation = Compensation(log, self._calls, self.course, self._insistence)

    # What a story may ask for: the saga port.

    @property
    def saga_id(self) -> str:
        """The workflow id."""
        return self._log.saga_id

    async def step(self, step: Step[CommandT, EventT], command: CommandT) -> EventT:
        """Do a step; see `Saga.step`."""
        if step.optional:
            raise ValueError(f"{step.name} is optional: do it with `saga.attempt`")
        return await self._do(step, command)

    async def attempt(self, step: Step[CommandT, EventT], command: CommandT) -> EventT | None:
        """Do an optional step; see `Saga.attempt`."""
        if not step.optional:
            raise ValueError(f"{step.name} is not optional: do it with `saga.step`")
        try:
            return await self._do(step, command)
        except StepRefused:
            return None

    async def parallel(self, *members: Awaitable[T], undo_at_once: bool = False) -> list[T]:
        """Run steps at once; see `Saga.parallel`."""
        try:
            await self._log.host.off_the_lane()
        except BaseException:
            for member in members:
                if asyncio.iscoroutine(member):
                    member.close()
            raise
        token = _undone_together.set(object() if undo_at_once else _undone_together.get())
        # A task keeps the context that it was made in.
        tasks = [asyncio.ensure_future(member) for member in members]
        _undone_together.reset(token)
        await self._log.host.wait_for(lambda: all(task.done() for task in tasks))
        errors = [error for task in tasks if (error := task.exception())]
        if errors:
            raise errors[0]
        return [task.result() for task in tasks]

    async def sleep(self, duration: timedelta) -> None:
        """Wait durably; see `Saga.sleep`."""
        await self._log.host.off_the_lane()
        try:
            await self._log.host.wait_for(
                lambda: self.course.interrupted is not None, timeout=duration
            )
        except TimeoutError:
            return
        self.course.go_on_or_unwind()

    def now(self) -> datetime:
        """The time, the same on every replay."""
        return self._log.host.story_time()

    def patched(self, change: str) -> bool:
        """Whether this saga has a change of its flow; see `Saga.patched`."""
        return self._log.host.patched(change)

    def deprecate_patch(self, change: str) -> None:
        """Say that only sagas with a change are left; see `Saga.deprecate_patch`."""
        self._log.host.deprecate_patch(change)

    # The whole of a saga.

    async def execute(self, story: Callable[[], Awaitable[None]]) -> None:
        """Tell the story to its end, or undo what it has done."""
        try:
            await story()
            await self._log.host.off_the_lane(plain=True)
            await self.notice_reset()
            self.course.go_on_or_unwind()
        except Interrupted:
            await self._compensation.of(self._entries, self.course.unanswered)
        except (SagaError, FailureError) as error:
            if self._in(Phase.COMMITTED):
                # Nothing is undone any more: the story has a mistake, which waits for a fix.
                raise RuntimeError("the flow has failed after its pivot") from error
            failed = error.failed if isinstance(error, SagaError) else self._raised(error)
            await self._compensation.of(self._entries, failed)
        else:
            self.course.phase = Phase.COMMITTED
            self._log.record(SagaCompleted(saga_id=self.saga_id))

    async def undo(self, recovery: Recovery, steps: Iterable[AnyStep]) -> None:
        """Undo what another run of this saga had sent when it was ended from outside."""
        self._entries = entries_of(recovery, steps)
        await self.course.cancel(recovery)
        await self._compensation.of(self._entries, None)

    def _raised(self, error: FailureError) -> StepFailed:
        return StepFailed(
            saga_id=self.saga_id,
            name="flow",
            kind=FailureKind.FAILED,
            type=getattr(error, "type", None) or type(error).__name__,
            message=error.message,
        )

    # One step forward.

    async def _do(self, step: Step[CommandT, EventT], command: CommandT) -> EventT:
        try:
            return await self._do_itself(step, command)
        except StepRefused:
            if step.fallback is None:
                raise
            return await self._do(step.fallback, command)

    async def _do_itself(self, step: Step[CommandT, EventT], command: CommandT) -> EventT:
        self._counts[step.name] += 1
        instance = step_instance(step.name, self._counts[step.name])
        entry = Entry(step, instance, command, together=_undone_together.get())
        if step.pivot:
            await self._log.host.off_the_lane(plain=True)
        await self._may_go_forward()
        if self._in(Phase.COMMITTED):
            return cast(EventT, await self._insistence.on(entry, Direction.DO))
        beside = self._calls.under_way or self._log.state.stuck
        if self._in(Phase.PIVOTING) or (step.pivot and beside):
            raise ValueError(f"{step.name}: a pivot can't run beside other steps")
        # The undo is registered before the action runs: an action whose answer is lost is undone.
        if step.undo_registered == "before":
            self._entries.append(entry)
        answer = await self._settle(entry, self._may_go_forward)
        if failed := failure_of(answer):
            if failed.kind is not FailureKind.REFUSED or failed.type in (UNDONE, KEY_REUSED):
                # Also what this saga has undone before a reset: no story goes on without it;
                # and what it did with other content, which stands.
                self.course.unanswered = failed
            elif entry in self._entries:
                self._entries.remove(entry)
            raise SagaError.of(failed)
        entry.done = True
        return cast(EventT, answer.data)

    async def _may_go_forward(self) -> None:
        await self.course.unheld()
        await self.notice_reset()
        if self.course.paused:  # While it asked again.
            await self.course.unheld()
        self.course.go_on_or_unwind()
        self.course.start_clock()

    async def _settle(self, entry: Entry, gate: Callable[[], Awaitable[None]]) -> AnyEvent:
        """Call an action until its participant has told; what we do wrong is not its answer."""
        answer = await self._attempt(entry)
        while (failed := failure_of(answer)) and self._needs_a_person(entry, failed):
            await self.repairs.wait(entry, Direction.DO, failed, until=lambda: self.course.ended)
            await gate()
            answer = await self._attempt(entry)
        self.repairs.recovered(entry, Direction.DO)
        return answer

    def _needs_a_person(self, entry: Entry, failed: StepFailed) -> bool:
        in_vain = failed.name != entry.instance and failed.kind in UNKNOWN
        return failed.kind in HOLDS_UP or in_vain or not self._log.host.settled

    async def _attempt(self, entry: Entry) -> AnyEvent:
        """Call an action before or at the pivot; the phase tells how it ended."""
        pivot = entry.step.pivot
        if pivot:
            self.course.phase = Phase.PIVOTING
        answer = await self._calls.make(entry, Direction.DO, interruptible=not pivot)
        if entry.step.probe is not None and _unknown(answer) and not self.course.ended:
            asked = await self._calls.probe(entry, interruptible=not pivot)
            # What did not happen may still arrive: it stays unanswered, and is undone.
            answer = answer if _refused(asked) else asked
        done = failure_of(answer) is None
        if pivot:
            self.course.phase = Phase.COMMITTED if done else Phase.FORWARD
        if done and entry not in self._entries:
            self._entries.append(entry)
        self.course.go_on_or_unwind()
        return answer

    # What a person asks of it; the rest is `course`'s.

    async def repair(self, repair: Repair) -> Reply:
        """Let a stuck step go on as a person has decided."""
        await self.repairs.repair(repair)
        return self.course.reply(accepted=True, message=f"{repair.step}: {repair.action}")

    async def notice_reset(self) -> bool:
        """After a reset, ask again for what was copied as done; whether there was one.

        It may have been undone meanwhile, by the run that was reset; then the saga compensates.
        """
        async with self._resetting:
            self._log.notice_reset()
            if self._log.resets == self._resets:
                return False
            self._resets = self._log.resets
            for entry in [entry for entry in self._entries if entry.done]:
                if not self._in(Phase.FORWARD):
                    break
                if self.course.paused:  # While it asked for the one before.
                    await self.course.unheld()
                answer = await self._settle(entry, self.course.unheld)
                if failed := failure_of(answer):
                    # No refusal of the step that comes next, which the story might do without.
                    self.course.unanswered = failed
                    raise Interrupted
            return True

    def _in(self, phase: Phase) -> bool:
        return self.course.phase is phase


def _refused(answer: AnyEvent) -> bool:
    failed = failure_of(answer)
    return failed is not None and failed.kind is FailureKind.REFUSED


def _unknown(answer: AnyEvent) -> bool:
    failed = failure_of(answer)
    return failed is not None and failed.kind in UNKNOWN
