"""Compensation: what a saga has done is taken back, in reverse."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import groupby

from saga.calls import Calls
from saga.course import Course, Phase
from saga.entry import Entry
from saga.events import Cause, CompensationStarted, SagaCompensated, StepFailed
from saga.identity import Direction
from saga.insistence import Insistence
from saga.log import Log


class Compensation:
    """Undoes the steps of one saga: no undo starts before those of later steps have ended."""

    def __init__(self, log: Log, calls: Calls, course: Course, insistence: Insistence) -> None:
        self._log = log
        self._calls = calls
        self._course = course
        self._insistence = insistence

    async def of(self, entries: Sequence[Entry], failure: StepFailed | None) -> None:
        """Take everything back; what the story has left running may still add to it."""
        self._course.phase = Phase.COMPENSATING
        await self._log.host.off_the_lane(plain=True)
        # What a story has left running would be waited for as long as it is tried.
        self._calls.interrupt()
        await self._log.host.wait_for(lambda: not self._calls.under_way)
        cause = self._course.interrupted or Cause.FAILED
        self._log.record(
            CompensationStarted(saga_id=self._log.saga_id, cause=cause, failure=failure)
        )
        undos: list[asyncio.Task[object]] = []
        for together in _in_reverse(entries):
            undos += await self._undo(together)
        for undo in undos:
            await undo
        self._log.record(SagaCompensated(saga_id=self._log.saga_id))

    async def _undo(self, entries: list[Entry]) -> list[asyncio.Task[object]]:
        """Undo all at once, until done; what by its policy holds up no other may be stuck then."""
        insist = self._insistence.on
        if len(entries) == 1 and entries[0].undo_holds_up:
            await insist(entries[0], Direction.UNDO)
            return []
        undos = [asyncio.create_task(insist(it, Direction.UNDO)) for it in entries]

        def earlier_may_go_on() -> bool:
            stuck = self._log.state.stuck
            return all(
                undo.done() or (not entry.undo_holds_up and entry.instance in stuck)
                for entry, undo in zip(entries, undos, strict=True)
            )

        await self._log.host.wait_for(earlier_may_go_on)
        for undo in undos:
            if undo.done():
                undo.result()
        return undos


def _in_reverse(entries: Sequence[Entry]) -> list[list[Entry]]:
    """What to undo, the last first; what a group has in common is undone at once."""
    undone = [entry for entry in reversed(entries) if entry.step.undo is not None]
    return [list(group) for _, group in groupby(undone, lambda it: it.together or it)]
