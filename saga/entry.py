"""One use of a step in a saga: what its calls are in either direction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from saga.envelope import JsonObject
from saga.identity import Direction
from saga.messages import Command
from saga.start import Recovery
from saga.steps import AnyActivity, AnyStep, Policy, command_type
from saga.versions import lift

FIRST_SLOW_PAUSE = timedelta(minutes=1)
LONGEST_SLOW_PAUSE = timedelta(hours=1)
"""Long enough for months of being stuck within one history; a repair tries again at once."""


@dataclass(eq=False)
class Entry:
    """One use of a step: what is to be done, and so what may have to be undone."""

    step: AnyStep
    instance: str
    command: Command
    together: object | None = None
    """The parallel group that it is undone with at once; None for in its turn."""
    done: bool = False
    slow_tries: int = 0
    renewals: dict[Direction, int] = field(default_factory=dict)
    replaced: dict[Direction, Command] = field(default_factory=dict)
    """The commands that a person has changed."""

    def name(self, direction: Direction) -> str:
        """The instance of the step or of its undo; also the activity id."""
        if direction is Direction.DO or self.step.undo is None:
            return self.instance
        return self.step.undo.name + self.instance.removeprefix(self.step.name)

    def call(self, direction: Direction) -> tuple[AnyActivity, Command, Policy]:
        """What to call in that direction: its activity, command and policy."""
        step, undo = self.step, self.step.undo
        if direction is Direction.DO:
            return step.action, self._command(direction), step.action_policy
        if undo is None:
            raise ValueError(f"{step.name} has no undo")
        return undo.activity, self._command(direction), undo.policy

    def _command(self, direction: Direction) -> Command:
        if direction in self.replaced:
            return self.replaced[direction]
        if direction is Direction.DO or self.step.undo is None:
            return self.command
        return self.step.undo.command(self.command)

    def changed(self, direction: Direction, changes: JsonObject) -> Command:
        """The command with some members changed; raises ValidationError."""
        command = self._command(direction)
        return type(command).model_validate({**command.model_dump(mode="json"), **changes})

    def renew(self, direction: Direction, changes: JsonObject | None) -> None:
        """Make the call one of its own, with a new key, since the old one did nothing."""
        self.renewals[direction] = self.renewals.get(direction, 0) + 1
        if changes:
            self.replaced[direction] = self.changed(direction, changes)

    @property
    def may_be_refused(self) -> bool:
        """Whether the story has something else to do when it is refused, even after the pivot."""
        return self.step.optional or self.step.fallback is not None

    @property
    def undo_holds_up(self) -> bool:
        """Whether the undos of earlier steps wait while its own is stuck."""
        return self.step.undo is None or self.step.undo.holds_up

    def skippable(self, direction: Direction) -> bool:
        """Whether a person may declare it as done by hand."""
        step = self.step
        return direction is Direction.UNDO or step.optional or step.by_hand is not None

    def by_hand(self, direction: Direction) -> object:
        """What the story gets for what a person did by hand."""
        if direction is Direction.UNDO or self.step.by_hand is None:
            return None
        return self.step.by_hand(self._command(direction))

    def slow_pause(self) -> timedelta:
        """The pause before the next attempt that only a person's change can make succeed."""
        self.slow_tries += 1
        doublings = min(self.slow_tries - 1, 10)
        return min(FIRST_SLOW_PAUSE * (1 << doublings), LONGEST_SLOW_PAUSE)


def entries_of(recovery: Recovery, steps: Iterable[AnyStep]) -> list[Entry]:
    """What a recovering run has to undo, in the order in which it was sent."""
    by_name = {it.name: it for step in steps for it in step.with_fallbacks()}
    entries = []
    for sent in recovery.sent:
        step = by_name.get(sent.step)
        if step is None:
            # It fails the workflow's task, so the recovery waits for a fixed worker.
            raise RuntimeError(
                f"{sent.step} was sent, and is not among the saga's `steps`: list it"
            )
        kind = command_type(step.action)
        command = kind.model_validate(lift(kind.__name__, sent.command))
        entries.append(Entry(step, sent.instance, command))
    return entries
