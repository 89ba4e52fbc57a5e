"""How a contender's process is asked: one line of JSON in, one out.

The customers live in the contender's own process, so that whoever can spare a way over the network
(an eager start, a call of a library) does. What they cost is counted for all.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field

from benchmarks.contenders.order import Order

ORDER_TIMEOUT = 120.0
_SAMPLE = 5


@dataclass(frozen=True)
class Setup:
    """What a contender is told once, as JSON in its first argument."""

    database: str
    """The URL of its read database."""
    temporal: str = ""
    """`host:port`."""
    queue: str = ""
    restate: dict[str, str] = field(default_factory=dict)
    """The URLs `ingress` and `admin`."""
    services: dict[str, str] = field(default_factory=dict)
    """The participants' URLs."""

    @classmethod
    def told(cls) -> "Setup":
        """From the command line."""
        return cls(**json.loads(sys.argv[1]))


@dataclass(frozen=True)
class Task:
    """One block of orders; one without any only has all made ready for its like."""

    orders: int
    at_once: int
    completed: bool = True
    """Whether they are delivered, or refused at the fourth step and undone."""
    services: bool = False
    """Whether participants are real ones."""
    rows: str = "every"
    """`every` change, `own` coalescing, or `final`."""


@dataclass(frozen=True)
class Done:
    """What became of a block."""

    seconds: float
    times: list[float]
    """Of each order, from its start to the end that its last row tells."""
    orders: list[str] = field(default_factory=list)
    """The ids of a few."""


PlaceOrder = Callable[[Order, Task], Awaitable[bool]]
"""Carry an order to its end; whether that is completion."""


async def carry_out(task: Task, place: PlaceOrder) -> Done:
    """Let customers place orders until all have ended as they should."""
    left = iter(range(task.orders))
    times: list[float] = []
    ids: list[str] = []

    async def customer() -> None:
        for _ in left:
            began = time.monotonic()
            order = Order.new(completed=task.completed)
            async with asyncio.timeout(ORDER_TIMEOUT):
                ended = await place(order, task)
            if ended is not task.completed:
                raise RuntimeError(f"order {order.order_id} was completed: {ended}")
            times.append(time.monotonic() - began)
            ids.append(order.order_id)

    began = time.monotonic()
    async with asyncio.TaskGroup() as customers:
        for _ in range(task.at_once):
            customers.create_task(customer())
    return Done(time.monotonic() - began, times, ids[:_SAMPLE])


@asynccontextmanager
async def always(_: Task) -> AsyncIterator[None]:
    """For a contender that is ready for whatever comes."""
    yield


async def serve(
    place: PlaceOrder,
    ready_for: Callable[[Task], AbstractAsyncContextManager[None]] = always,
) -> None:
    """Say that all is ready, and answer until stdin ends.

    What `ready_for` opens for one block stays open for those alike that follow it.
    """
    print(json.dumps({"ready": True}), flush=True)
    async with AsyncExitStack() as stack:
        ready: tuple[str, bool] | None = None
        while line := await asyncio.to_thread(sys.stdin.readline):
            task = Task(**json.loads(line))
            if ready != (wanted := (task.rows, task.services)):
                await stack.aclose()
                await stack.enter_async_context(ready_for(task))
                ready = wanted
            if task.orders:
                done = await carry_out(task, place)
            else:
                done = Done(0, [])
            print(json.dumps(asdict(done)), flush=True)
