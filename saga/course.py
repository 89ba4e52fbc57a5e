"""The course of one saga: how far it has come, what holds it, and what ends its story early."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from enum import Enum, auto

from saga.calls import Calls
from saga.deadline import time_is_up
from saga.events import (
    CancelRequested,
    Cause,
    DeadlinePassed,
    SagaEvent,
    SagaPaused,
    SagaResumed,
    Status,
    StepFailed,
)
from saga.log import Log
from saga.start import Reply, Request


class Phase(Enum):
    """How far a saga has come; what may happen to it hangs on this alone."""

    FORWARD = auto()
    PIVOTING = auto()
    COMMITTED = auto()
    COMPENSATING = auto()


class Interrupted(BaseException):
    """Unwinds a story that a cancel or the deadline has ended; no `Exception`, as it must pass."""


class Course:
    """What a person or the clock may change of one saga's course, and whether it may go on."""

    def __init__(self, log: Log, calls: Calls, deadline: timedelta | None) -> None:
        self.phase = Phase.FORWARD
        self.paused = False
        self.interrupted: Cause | None = None
        self.unanswered: StepFailed | None = None
        """The failure of an action of which nobody knows whether it happened."""
        self._log = log
        self._calls = calls
        self._deadline = deadline
        self._clock: asyncio.Task[None] | None = None

    def go_on_or_unwind(self) -> None:
        """After every await: an action that finishes anyway swallows the cancel.

        A story that caught the error of an action which may have happened doesn't go on either,
        nor does a part of it that was left running when the rest had failed.
        """
        if self.ended:
            raise Interrupted

    @property
    def ended(self) -> bool:
        """Whether the story must not go forward any more."""
        ended = self.interrupted is not None or self.unanswered is not None
        return (ended and self.phase is Phase.FORWARD) or self.phase is Phase.COMPENSATING

    async def unheld(self) -> None:
        """Wait while the saga is paused; raises Interrupted when its story has ended."""
        # A condition is looked at when all that the task brings has been taken in, cancels too.
        await self._log.host.wait_for(self._unheld)
        while not self._unheld():  # A pause that came with the start has waited for the same.
            await self._log.host.wait_for(self._unheld)
        self.go_on_or_unwind()

    async def resumed(self) -> None:
        """Wait while the saga is paused, whether its story has ended or not."""
        await self._log.host.wait_for(lambda: not self.paused)
        while self.paused:  # A pause that came in the same task has waited for the same.
            await self._log.host.wait_for(lambda: not self.paused)

    def _unheld(self) -> bool:
        return self.interrupted is not None or not self.paused

    async def cancel(self, request: Request) -> Reply:
        """Undo the saga if it is not too late; a pivot under way is waited for."""
        await self._log.host.until_settled()
        if self._log.state.status.final or self._committed:
            return self._too_late()
        requested = CancelRequested(saga_id=self._log.saga_id, by=request.by, reason=request.reason)
        await self._interrupt(Cause.CANCELLED, requested)
        if self._committed:
            return self._too_late()
        held = "will be undone when it is resumed" if self.paused else "is being undone"
        return self.reply(accepted=True, message=f"the saga {held}")

    @property
    def _committed(self) -> bool:
        return self.phase is Phase.COMMITTED

    def _too_late(self) -> Reply:
        if self._log.state.status is Status.COMPENSATED:
            return self.reply(accepted=False, message="too late: already compensated")
        return self.reply(accepted=False, message="too late: the saga has passed its pivot")

    def reply(self, *, accepted: bool, message: str) -> Reply:
        """The answer to a request."""
        return Reply(accepted=accepted, status=self._log.state.status, message=message)

    async def _interrupt(self, cause: Cause, why: SagaEvent) -> None:
        """End the story, unless the pivot is passed or its answer, which is waited for, passes it.

        The actions under way are cancelled, and waited for, before any undo.
        """
        self._log.record(why)
        if self.phase is Phase.PIVOTING:
            await self._log.host.wait_for(lambda: self.phase is not Phase.PIVOTING)
        if self.phase is Phase.FORWARD and self.interrupted is None:
            self.interrupted = cause
            self._calls.interrupt()

    async def pause(self, request: Request) -> Reply:
        """Send nothing more until the saga is resumed; what is under way ends by itself."""
        await self._log.host.until_settled()
        if self._log.state.status.final:
            return self.reply(accepted=False, message="too late: the saga has ended")
        if not self.paused:
            self.paused = True
            self._log.record(
                SagaPaused(saga_id=self._log.saga_id, by=request.by, reason=request.reason)
            )
        return self.reply(accepted=True, message="the saga is paused")

    async def resume(self, request: Request) -> Reply:
        """Go on after a pause."""
        if self._log.state.status.final:
            return self.reply(accepted=False, message="too late: the saga has ended")
        if self.paused:
            self._log.record(
                SagaResumed(saga_id=self._log.saga_id, by=request.by, reason=request.reason)
            )
            self.paused = False
        return self.reply(accepted=True, message="the saga goes on")

    def start_clock(self) -> None:
        """Begin to watch the deadline, at the first step."""
        if self._clock is None and self._deadline is not None:
            self._clock = asyncio.create_task(self._watch_deadline(self._deadline))

    async def _watch_deadline(self, deadline: timedelta) -> None:
        """Interrupt when the time is up; it stands still while the saga is held or pivots."""
        await self._log.host.until_settled()
        if await time_is_up(self._log.host, deadline, lambda: self._ticking, lambda: self._decided):
            passed = DeadlinePassed(saga_id=self._log.saga_id, seconds=deadline.total_seconds())
            await self._interrupt(Cause.DEADLINE, passed)

    @property
    def _ticking(self) -> bool:
        held = self.paused or bool(self._log.state.stuck)
        return self.phase is Phase.FORWARD and not held

    @property
    def _decided(self) -> bool:
        return self._committed or self.phase is Phase.COMPENSATING
