"""The orchestrator: does steps, and takes them back in reverse when the saga can't complete.

It runs in tasks that Temporal never cancels (only the workflow's main coroutine is, and that one
does nothing but wait), so every way of ending early comes through `_interrupt`, and no await here
has to be shielded.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import TypeVar, cast

from temporalio import workflow
from temporalio.exceptions import FailureError

from saga.calls import Calls, Entry, failure_of
from saga.deadline import time_is_up
from saga.envelope import CommandT, EventT
from saga.errors import SagaError
from saga.events import (
    HOLDS_UP,
    CancelRequested,
    Cause,
    CompensationStarted,
    DeadlinePassed,
    FailureKind,
    RepairAction,
    SagaCompensated,
    SagaCompleted,
    SagaEvent,
    SagaPaused,
    SagaResumed,
    Status,
    StepFailed,
)
from saga.identity import Direction, step_instance
from saga.log import Log
from saga.repairs import Repairs
from saga.start import Repair, Reply, Request
from saga.state import AnyEvent
from saga.steps import Step

T = TypeVar("T")


class Phase(Enum):
    """How far a saga has come; what may happen to it hangs on this alone."""

    FORWARD = auto()
    PIVOTING = auto()
    COMMITTED = auto()
    COMPENSATING = auto()


class Interrupted(BaseException):
    """Unwinds a story that a cancel or the deadline has ended; no `Exception`, as it must pass."""


class Orchestrator:
    """Executes one saga in its workflow; this is the `Saga` that a flow is handed."""

    def __init__(self, log: Log, deadline: timedelta | None) -> None:
        self._phase = Phase.FORWARD
        self._log = log
        self._deadline = deadline
        self._entries: list[Entry] = []
        self._counts: Counter[str] = Counter()
        self._calls = Calls(log)
        self._interrupted: Cause | None = None
        self._unanswered: StepFailed | None = None
        self._paused = False
        self.repairs = Repairs(log)
        self._clock: asyncio.Task[None] | None = None
        self._resetting = asyncio.Lock()

    # What a story may ask for: the saga port.

    @property
    def saga_id(self) -> str:
        """The workflow id."""
        return self._log.saga_id

    async def step(self, step: Step[CommandT, EventT], command: CommandT) -> EventT:
        """Do a step; see `Saga.step`."""
        self._counts[step.name] += 1
        entry = Entry(step, step_instance(step.name, self._counts[step.name]), command)
        await self._may_go_forward()
        if self._in(Phase.COMMITTED):
            return cast(EventT, await self._insist(entry, Direction.DO))
        if self._in(Phase.PIVOTING) or (step.pivot and self._calls.under_way):
            raise ValueError(f"{step.name}: a pivot can't run beside other steps")
        # The undo is registered before the action runs: an action whose answer is lost is undone.
        self._entries.append(entry)
        answer = await self._settle(entry, self._may_go_forward)
        if failed := failure_of(answer):
            if failed.kind is FailureKind.REFUSED:
                self._entries.remove(entry)
            else:
                self._unanswered = failed
            raise SagaError.of(failed)
        entry.done = True
        return cast(EventT, answer.data)

    async def _settle(self, entry: Entry, gate: Callable[[], Awaitable[None]]) -> AnyEvent:
        """Call an action until its participant has told; what we do wrong is not its answer."""
        answer = await self._attempt(entry)
        while (failed := failure_of(answer)) and failed.kind in HOLDS_UP:
            await self.repairs.wait(
                entry, Direction.DO, failed, until=lambda: self._interrupted_forward
            )
            await gate()
            answer = await self._attempt(entry)
        self.repairs.recovered(entry, Direction.DO)
        return answer

    async def _attempt(self, entry: Entry) -> AnyEvent:
        """Call an action before or at the pivot; the phase tells how it ended."""
        if not entry.step.pivot:
            answer = await self._calls.make(entry, Direction.DO, interruptible=True)
        else:
            self._phase = Phase.PIVOTING
            answer = await self._calls.make(entry, Direction.DO)
            self._phase = Phase.FORWARD if failure_of(answer) else Phase.COMMITTED
        self._go_on_or_unwind()
        return answer

    async def parallel(self, *members: Awaitable[T]) -> list[T]:
        """Run steps at once; see `Saga.parallel`."""
        tasks = [asyncio.ensure_future(member) for member in members]
        await workflow.wait_condition(lambda: all(task.done() for task in tasks))
        errors = [error for task in tasks if (error := task.exception())]
        if errors:
            raise errors[0]
        return [task.result() for task in tasks]

    async def sleep(self, duration: timedelta) -> None:
        """Wait durably; see `Saga.sleep`."""
        try:
            await workflow.wait_condition(lambda: self._interrupted is not None, timeout=duration)
        except TimeoutError:
            return
        self._go_on_or_unwind()

    def now(self) -> datetime:
        """The time, the same on every replay."""
        return workflow.now()

    # The whole of a saga.

    async def execute(self, story: Callable[[], Awaitable[None]]) -> None:
        """Tell the story to its end, or undo what it has done."""
        try:
            await story()
            self._go_on_or_unwind()
        except Interrupted:
            await self._compensate(self._interrupted or Cause.FAILED, self._unanswered)
        except SagaError as error:
            await self._compensate(self._interrupted or Cause.FAILED, error.failed)
        except FailureError as error:
            await self._compensate(self._interrupted or Cause.FAILED, self._raised(error))
        else:
            self._phase = Phase.COMMITTED
            self._log.record(SagaCompleted(saga_id=self.saga_id))

    async def _compensate(self, cause: Cause, failure: StepFailed | None) -> None:
        self._phase = Phase.COMPENSATING
        await workflow.wait_condition(lambda: not self._calls.under_way)
        started = CompensationStarted(saga_id=self.saga_id, cause=cause, failure=failure)
        self._log.record(started)
        for entry in reversed(self._entries):
            if entry.step.undo is not None:
                await self._insist(entry, Direction.UNDO)
        self._log.record(SagaCompensated(saga_id=self.saga_id))

    def _raised(self, error: FailureError) -> StepFailed:
        return StepFailed(
            saga_id=self.saga_id,
            name="flow",
            kind=FailureKind.FAILED,
            type=getattr(error, "type", None) or type(error).__name__,
            message=error.message,
        )

    # What ends a story early.

    async def cancel(self, request: Request) -> Reply:
        """Undo the saga if it is not too late; a pivot under way is waited for."""
        if self._log.state.status.final or self._in(Phase.COMMITTED):
            return self._too_late()
        requested = CancelRequested(saga_id=self.saga_id, by=request.by, reason=request.reason)
        await self._interrupt(Cause.CANCELLED, requested)
        if self._in(Phase.COMMITTED):
            return self._too_late()
        held = "will be undone when it is resumed" if self._paused else "is being undone"
        return self._reply(accepted=True, message=f"the saga {held}")

    def _too_late(self) -> Reply:
        if self._log.state.status is Status.COMPENSATED:
            return self._reply(accepted=False, message="too late: already compensated")
        return self._reply(accepted=False, message="too late: the saga has passed its pivot")

    def _reply(self, *, accepted: bool, message: str) -> Reply:
        return Reply(accepted=accepted, status=self._log.state.status, message=message)

    async def _interrupt(self, cause: Cause, why: SagaEvent) -> None:
        """End the story, unless the pivot is passed or its answer, which is waited for, passes it.

        The actions under way are cancelled, and waited for, before any undo.
        """
        self._log.record(why)
        if self._in(Phase.PIVOTING):
            await workflow.wait_condition(lambda: not self._in(Phase.PIVOTING))
        if self._in(Phase.FORWARD) and self._interrupted is None:
            self._interrupted = cause
            self._calls.interrupt()

    def _go_on_or_unwind(self) -> None:
        """After every await: an action that finishes anyway swallows the cancel.

        A story that caught the error of an action which may have happened doesn't go on either,
        nor does a part of it that was left running when the rest had failed.
        """
        if self._interrupted_forward or self._in(Phase.COMPENSATING):
            raise Interrupted

    @property
    def _interrupted_forward(self) -> bool:
        ended = self._interrupted is not None or self._unanswered is not None
        return ended and self._in(Phase.FORWARD)

    async def _watch_deadline(self, deadline: timedelta) -> None:
        """Interrupt when the time is up; it stands still while the saga is held or pivots."""
        if await time_is_up(deadline, lambda: self._ticking, lambda: self._decided):
            passed = DeadlinePassed(saga_id=self.saga_id, seconds=deadline.total_seconds())
            await self._interrupt(Cause.DEADLINE, passed)

    @property
    def _ticking(self) -> bool:
        held = self._paused or bool(self._log.state.stuck)
        return self._in(Phase.FORWARD) and not held

    @property
    def _decided(self) -> bool:
        return self._in(Phase.COMMITTED) or self._in(Phase.COMPENSATING)

    # What holds a saga.

    async def pause(self, request: Request) -> Reply:
        """Send nothing more until the saga is resumed; what is under way ends by itself."""
        if self._log.state.status.final:
            return self._reply(accepted=False, message="too late: the saga has ended")
        if not self._paused:
            self._paused = True
            self._log.record(SagaPaused(saga_id=self.saga_id, by=request.by, reason=request.reason))
        return self._reply(accepted=True, message="the saga is paused")

    async def resume(self, request: Request) -> Reply:
        """Go on after a pause."""
        if self._log.state.status.final:
            return self._reply(accepted=False, message="too late: the saga has ended")
        if self._paused:
            self._log.record(
                SagaResumed(saga_id=self.saga_id, by=request.by, reason=request.reason)
            )
            self._paused = False
        return self._reply(accepted=True, message="the saga goes on")

    async def repair(self, repair: Repair) -> Reply:
        """Let a stuck step go on as a person has decided."""
        await self.repairs.repair(repair, may_skip=self.may_skip)
        return self._reply(accepted=True, message=f"{repair.step}: {repair.action}")

    @property
    def may_skip(self) -> bool:
        """Whether a stuck step can be left out: before the pivot what follows builds on it."""
        return not self._in(Phase.FORWARD)

    # How calls are made.

    def _in(self, phase: Phase) -> bool:
        return self._phase is phase

    async def _unheld(self) -> None:
        # A condition is looked at when all that the task brings has been taken in, cancels too.
        await workflow.wait_condition(lambda: self._interrupted is not None or not self._paused)
        self._go_on_or_unwind()

    async def _may_go_forward(self) -> None:
        await self._unheld()
        await self.notice_reset()
        self._go_on_or_unwind()
        if self._clock is None and self._deadline is not None:
            self._clock = asyncio.create_task(self._watch_deadline(self._deadline))

    async def notice_reset(self) -> bool:
        """If a reset begins here, begin an epoch and ask again for what was copied as done.

        It may have been undone meanwhile, by the run that was reset; then the saga compensates.
        """
        async with self._resetting:
            if not self._log.was_reset:
                return False
            self._log.begin_epoch()
            for entry in [entry for entry in self._entries if entry.done]:
                if not self._in(Phase.FORWARD):
                    break
                answer = await self._settle(entry, self._unheld)
                if failed := failure_of(answer):
                    raise SagaError.of(failed)
            return True

    async def _insist(self, entry: Entry, direction: Direction) -> object:
        """Call until it succeeds; when its retries are spent the saga is stuck, for a person."""
        while True:
            await workflow.wait_condition(lambda: not self._paused)
            await self.notice_reset()
            answer = await self._calls.make(entry, direction)
            failed = failure_of(answer)
            if failed is None:
                self.repairs.recovered(entry, direction)
                return answer.data
            if await self.repairs.wait(entry, direction, failed) is RepairAction.SKIP:
                return None
