"""The order saga by hand on the bare Temporal SDK, as the published tutorial has it.

https://learn.temporal.io/tutorials/python/trip-booking-app and samples-python: a regular activity
for each step and for each status row, one after the other; a list of compensations, each put there
before its step, that is run in reverse when an activity has failed for good.

It is what a user would write, and not what it takes: a cancel, a deadline, a refused undo, an
ambiguous answer and a read database that is away all do harm here that `saga/` keeps away.
`benchmarks.by_hand` is the one that a careful author would write.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from benchmarks.contenders.order import DOING, LAST, UNDOING, Order, Participants, Refused
    from benchmarks.contenders.rows import Row, Rows

RETRIES = RetryPolicy(non_retryable_error_types=["Refused"])
TIMEOUT = timedelta(seconds=10)


@dataclass(frozen=True)
class Step:
    """What a step's activity is told."""

    name: str
    order: Order


@dataclass(frozen=True)
class Status:
    """What the activity that writes rows is told."""

    order: Order
    status: str
    done: Sequence[str]


@dataclass(frozen=True)
class Placed:
    """What the workflow is told."""

    order: Order
    every: bool
    """Whether each change makes a row, or only the last one."""


class OrderActivities:
    """Calls participants and writes rows."""

    def __init__(self, participants: Participants, rows: Rows) -> None:
        self._participants = participants
        self._rows = rows

    @activity.defn
    async def call(self, step: Step) -> str:
        """Do a step, or undo one."""
        try:
            return await self._participants.call(step.name, step.order)
        except Refused as refusal:
            raise ApplicationError(str(refusal), type="Refused") from refusal

    @activity.defn
    async def write(self, status: Status) -> None:
        """Write the order's row."""
        await self._rows.put(Row.of(status.order, status.status, list(status.done)))


@workflow.defn
class BareOrder:
    """Steps forward, and back after a failure."""

    def __init__(self) -> None:
        self._done: list[str] = []

    @workflow.run
    async def run(self, placed: Placed) -> bool:
        """Whether the order was completed."""
        compensations: list[str] = []
        await self._show(placed, "running")
        try:
            for step in DOING:
                if step in UNDOING:
                    compensations.append(step)
                await self._call(placed, step)
                await self._show(placed, "completed" if step == LAST else "running")
        except ActivityError:
            # The refused step has done nothing.
            compensations.pop()
            await self._show(placed, "compensating")
            for step in reversed(compensations):
                await self._call(placed, UNDOING[step])
                last = step == compensations[0]
                await self._show(placed, "compensated" if last else "compensating")
            return False
        return True

    async def _call(self, placed: Placed, step: str) -> None:
        await workflow.execute_activity_method(
            OrderActivities.call,
            Step(step, placed.order),
            start_to_close_timeout=TIMEOUT,
            retry_policy=RETRIES,
        )
        self._done.append(step)

    async def _show(self, placed: Placed, status: str) -> None:
        if placed.every or status in {"completed", "compensated"}:
            await workflow.execute_activity_method(
                OrderActivities.write,
                Status(placed.order, status, self._done),
                start_to_close_timeout=TIMEOUT,
            )
