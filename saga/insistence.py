"""Calls that must succeed: undos, and the steps after the pivot."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from saga.answers import KEY_REUSED
from saga.calls import Calls, failure_of
from saga.course import Course
from saga.entry import Entry
from saga.errors import SagaError
from saga.events import UNKNOWN, FailureKind, RepairAction, StepFailed
from saga.identity import Direction
from saga.repairs import Repairs
from saga.state import AnyEvent


class Insistence:
    """Calls until it has succeeded; when its retries are spent the saga is stuck, for a person."""

    def __init__(
        self,
        calls: Calls,
        course: Course,
        repairs: Repairs,
        notice_reset: Callable[[], Awaitable[bool]],
    ) -> None:
        self._calls = calls
        self._course = course
        self._repairs = repairs
        self._notice_reset = notice_reset

    async def on(self, entry: Entry, direction: Direction) -> object:
        """What the step answered in that direction; raises StepRefused where the story allows."""
        answer = await self._call(entry, direction)
        while failed := failure_of(answer):
            refused = _nothing_was_done(failed)
            if refused and direction is Direction.DO and entry.may_be_refused:
                self._repairs.recovered(entry, direction)
                raise SagaError.of(failed)
            repair = await self._repairs.wait(entry, direction, failed)
            if repair.action is RepairAction.SKIP:
                return entry.by_hand(direction)
            if repair.action is RepairAction.REPLACE:
                # By the old key first: what has happened after all must not happen twice.
                answer = await self._call(entry, direction, after=failed)
                if (still := failure_of(answer)) is None or not _nothing_was_done(still):
                    continue
                refused = True
            if refused:
                # A refusal is the last word on its key, and says that nothing was done.
                entry.renew(direction, repair.changes)
            answer = await self._call(entry, direction)
        self._repairs.recovered(entry, direction)
        return answer.data

    async def _call(
        self, entry: Entry, direction: Direction, *, after: StepFailed | None = None
    ) -> AnyEvent:
        await self._course.resumed()
        await self._notice_reset()
        # What nobody knows of may still arrive, so only the call itself settles it.
        told = after is not None and after.kind not in UNKNOWN
        if told and direction is Direction.DO and entry.step.probe is not None:
            return await self._calls.probe(entry)
        return await self._calls.make(entry, direction)


def _nothing_was_done(failed: StepFailed) -> bool:
    """Whether it is certain: a key that was used with other content may have done that."""
    return failed.kind is FailureKind.REFUSED and failed.type != KEY_REUSED
