"""Orders that were placed while no worker was up: how they are drained, and who waits for them."""

import asyncio
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from temporalio.client import Client

from benchmarks.contenders.serving import Task
from benchmarks.crowd import MeasurementFailed
from benchmarks.grown import Grown, Report
from benchmarks.growth_store import Store, an_order, by_a_crowd, queue_of_orders
from contracts.sagas import ORDER
from saga import SagaOutcome, Sagas

STARVED = 0.1
"""A new customer may wait for this part of another one's backlog, and not for more."""
_OWNER = "backlog"
"""The customer whose orders they are."""
_RUNNING = f"CustomerId = '{_OWNER}' AND ExecutionStatus = 'Running'"
_CROWD, _ALONE = 50, 20
_POLL, _TOLD = 0.5, 10.0
_STUCK = 300.0
"""Seconds without an order that ends."""


@dataclass(frozen=True)
class Desk:
    """Where customers order who are not in the worker's process."""

    client: Client
    sagas: Sagas

    async def place(self, customer: str) -> str:
        """Place an order; the saga's id."""
        return (await self.sagas.start(ORDER, an_order(customer))).saga_id

    async def serve(self, customer: str) -> float:
        """Place an order and wait for its end; when that is, on the monotonic clock."""
        handle = self.client.get_workflow_handle(
            await self.place(customer), result_type=SagaOutcome
        )
        await handle.result()
        return time.monotonic()

    async def timed(self, customer: str) -> float:
        """The seconds that an order takes."""
        began = time.monotonic()
        return await self.serve(customer) - began

    async def left(self) -> int:
        """How many orders of the backlog have not ended."""
        return (await self.client.count_workflows(_RUNNING)).count

    async def drained(self) -> float:
        """Wait until none is left, and tell how it goes; when that is. Raises MeasurementFailed."""
        left, moved, told = await self.left(), time.monotonic(), 0.0
        while left:
            await asyncio.sleep(_POLL)
            now, before = time.monotonic(), left
            left = await self.left()
            if left != before:
                moved = now
            elif now - moved > _STUCK:
                raise MeasurementFailed(f"{left} orders of the backlog do not end")
            if now - told > _TOLD:
                told = now
                sys.stderr.write(f"  backlog: {left} left\n")
        return time.monotonic()


async def backlog(folder: Path, count: int, task: Task, report: Report) -> None:
    """Drain so many orders of one customer, while new customers order one after the other."""
    store = Store.new(folder, "backlog")
    async with store.serving() as client:
        desk = Desk(client, Sagas(client, queue_of_orders()))
        async with store.working() as worker:
            await worker.carry_out(task)
            usual = await worker.carry_out(task)
            alone = [await desk.timed(f"alone-{it}") for it in range(_ALONE)]
        began = time.monotonic()
        await by_a_crowd(count - 1, _CROWD, lambda: desk.place(_OWNER))
        placed = count / (time.monotonic() - began)
        report.note(f"backlog: {count} orders placed while no worker was up, {placed:.0f} a second")
        # The same customer's last one waits for all of them, as anyone would without turns.
        last = asyncio.create_task(desk.serve(_OWNER))
        while await desk.left() < count:  # noqa: ASYNC110 - a server has it
            await asyncio.sleep(_POLL)
        async with store.working():
            began = time.monotonic()
            draining = asyncio.create_task(desk.drained())
            new = [await desk.timed("new-0")]
            while not draining.done():
                new.append(await desk.timed(f"new-{len(new)}"))
            took, waited = await draining - began, await last - began
    report.note(f"backlog: drained in {took:.1f} s, while {len(new)} new customers were served")
    rates = len(usual.times) / usual.seconds, count / took
    usually, meanwhile = statistics.median(alone), statistics.median(new)
    # The worker is busy either way, and what it has taken already is in nobody's order.
    busy = statistics.median(usual.times)
    report.add(
        [
            _line(f"draining {count} orders, beside {task.at_once} at once", "orders/s", *rates),
            _line("  a new customer's order, median", "s", usually, meanwhile),
            _line(f"  the same, beside {task.at_once} at once", "s", busy, meanwhile),
            _line("  a new customer's order, slowest", "s", max(alone), max(new)),
            _line("  the backlog's own last order", "s", usually, waited),
            _line("slowest new one, of the backlog's last", "s", waited, max(new), STARVED),
        ]
    )


def _line(name: str, unit: str, small: float, grown: float, limit: float | None = None) -> Grown:
    return Grown("backlog", name, unit, small, grown, (grown / small,), limit)
