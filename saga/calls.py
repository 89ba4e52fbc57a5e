"""How the orchestrator calls: one activity a call, its answer or its failure taken into the log."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError
from temporalio.workflow import ActivityCancellationType, ActivityHandle

from saga.events import StepFailed
from saga.identity import Direction
from saga.log import Log
from saga.messages import Command
from saga.state import AnyEvent
from saga.steps import AnyActivity, AnyStep, Policy

FIRST_SLOW_PAUSE = timedelta(minutes=1)
LONGEST_SLOW_PAUSE = timedelta(hours=1)
"""Long enough for months of being stuck within one history; a repair tries again at once."""


@dataclass(eq=False)
class Entry:
    """One use of a step: what is to be done, and so what may have to be undone."""

    step: AnyStep
    instance: str
    command: Command
    done: bool = False
    slow_tries: int = 0

    def name(self, direction: Direction) -> str:
        """The instance of the step or of its undo; also the activity id."""
        if direction is Direction.DO or self.step.undo is None:
            return self.instance
        return self.step.undo.name + self.instance.removeprefix(self.step.name)

    def call(self, direction: Direction) -> tuple[AnyActivity, Command, Policy]:
        """What to call in that direction: its activity, command and policy."""
        step, undo = self.step, self.step.undo
        if direction is Direction.DO:
            return step.action, self.command, step.action_policy
        if undo is None:
            raise ValueError(f"{step.name} has no undo")
        return undo.activity, undo.command(self.command), undo.policy

    def slow_pause(self) -> timedelta:
        """The pause before the next attempt that only a person's change can make succeed."""
        self.slow_tries += 1
        doublings = min(self.slow_tries - 1, 10)
        return min(FIRST_SLOW_PAUSE * (1 << doublings), LONGEST_SLOW_PAUSE)


class Calls:
    """Makes the calls of one saga."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._interruptible: dict[str, ActivityHandle[AnyEvent]] = {}
        self.under_way = 0
        """How many calls have not ended yet."""

    async def make(
        self, entry: Entry, direction: Direction, *, interruptible: bool = False
    ) -> AnyEvent:
        """Make one call and return its answer, or the `StepFailed` that tells how it failed.

        A cancelled call is waited for until its activity has ended, so that no undo overtakes it.
        """
        name = entry.name(direction)
        activity, command, policy = entry.call(direction)
        call = self._log.send(command, step=entry.instance, direction=direction, name=name)
        handle: ActivityHandle[AnyEvent] = workflow.start_activity_method(
            activity,
            call,
            activity_id=name,
            start_to_close_timeout=policy.attempt_timeout,
            schedule_to_close_timeout=policy.give_up_after,
            heartbeat_timeout=policy.heartbeat_timeout,
            retry_policy=RetryPolicy(
                initial_interval=policy.first_pause,
                maximum_interval=policy.longest_pause,
                maximum_attempts=policy.max_attempts,
            ),
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            summary=command.summary(),
        )
        if interruptible:
            self._interruptible[name] = handle
        self.under_way += 1
        try:
            answer = await handle
        except ActivityError as error:
            return self._log.failed(call, error)
        except asyncio.CancelledError:
            return self._log.failed(call, None)
        finally:
            self._interruptible.pop(name, None)
            self.under_way -= 1
        self._log.append(answer)
        return answer

    def interrupt(self) -> None:
        """Cancel the interruptible calls under way."""
        for handle in self._interruptible.values():
            handle.cancel()


def failure_of(answer: AnyEvent) -> StepFailed | None:
    """How a call failed; None if it did not."""
    if answer.event_type != StepFailed.__name__:
        return None
    return StepFailed.model_validate(answer.data)
