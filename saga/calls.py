"""How the orchestrator calls: one activity a call, its answer or its failure taken into the log."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from temporalio.exceptions import FailureError

from saga.entry import Entry
from saga.envelope import Call
from saga.events import StepFailed
from saga.identity import Direction
from saga.log import Log
from saga.messages import Command
from saga.state import AnyEvent
from saga.steps import PROBE, AnyActivity, Policy, name_of


class Calls:
    """Makes the calls of one saga."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._interruptible: dict[str, asyncio.Task[AnyEvent]] = {}
        self.under_way = 0
        """How many calls have not ended yet."""

    async def make(
        self, entry: Entry, direction: Direction, *, interruptible: bool = False
    ) -> AnyEvent:
        """Make one call and return its answer, or the `StepFailed` that tells how it failed.

        A cancelled call is waited for until its activity has ended, so that no undo overtakes it.
        """
        activity, command, policy = entry.call(direction)
        call = self._send(entry, direction, command, entry.name(direction))
        return await self._run(activity, call, policy, interruptible=interruptible)

    async def probe(self, entry: Entry, *, interruptible: bool = False) -> AnyEvent:
        """Ask by the action's key whether it happened: its event, or else how that failed."""
        probe, (_, command, policy) = entry.step.probe, entry.call(Direction.DO)
        if probe is None:
            raise ValueError(f"{entry.step.name} has no probe")
        name = name_of(probe) + entry.instance.removeprefix(entry.step.name)
        call = self._send(entry, Direction.DO, command, name)
        limited = replace(PROBE, attempt_timeout=policy.attempt_timeout)
        return await self._run(probe, call, limited, interruptible=interruptible)

    def _send(
        self, entry: Entry, direction: Direction, command: Command, name: str
    ) -> Call[Command]:
        return self._log.send(
            command,
            step=entry.instance,
            direction=direction,
            name=name,
            pivot=entry.step.pivot and direction is Direction.DO,
            renewals=entry.renewals.get(direction, 0),
        )

    async def _run(
        self, activity: AnyActivity, call: Call[Command], policy: Policy, *, interruptible: bool
    ) -> AnyEvent:
        name = call.name
        handle: asyncio.Task[AnyEvent] = self._log.host.call(activity, call, policy)
        if interruptible:
            self._interruptible[name] = handle
        self.under_way += 1
        try:
            answer = await handle
        except FailureError as error:
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
