"""The saga port: all that a story may use beside plain Python."""

from collections.abc import Awaitable
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from saga.envelope import CommandT, EventT
from saga.steps import Step

T = TypeVar("T")


class Saga(Protocol):
    """What a `flow` is handed; the same whoever executes it."""

    @property
    def saga_id(self) -> str:
        """The workflow id, `<saga type>-<business id>`."""

    async def step(self, step: Step[CommandT, EventT], command: CommandT) -> EventT:
        """Do a step and return the domain event that its participant answered.

        Raises:
            StepRefused: the participant did nothing. Uncaught, the saga compensates.
            StepUnanswered: nobody knows whether it happened. Caught or not, the saga compensates.
        """

    async def attempt(self, step: Step[CommandT, EventT], command: CommandT) -> EventT | None:
        """Do an optional step; None when its participant refused, or when a person skipped it.

        Raises StepUnanswered as `step` does.
        """

    async def parallel(self, *members: Awaitable[T], undo_at_once: bool = False) -> list[T]:
        """Run steps at once; when one fails the others end first, then its error is raised.

        They are undone in reverse order of their start, or all at once if `undo_at_once`.
        """

    async def sleep(self, duration: timedelta) -> None:
        """Wait durably; a cancel or the deadline ends the wait."""

    def now(self) -> datetime:
        """The time, the same on every replay."""

    def patched(self, change: str) -> bool:
        """Whether this saga has a change of its flow: False if it came past here before that.

        See docs/changing-a-saga.md.
        """

    def deprecate_patch(self, change: str) -> None:
        """Say instead that only sagas with a change are left, before its name may go for good."""
