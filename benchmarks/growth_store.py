"""Embedded Temporal servers of their own, side by side, and orders from outside of the worker."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from temporalio.client import Client

from benchmarks.contenders.serving import Setup, Task
from benchmarks.crowd import SKU
from benchmarks.stage import ContenderProcess, Tree, own_python
from contracts.commands import Line, PlaceOrder
from demo.home import free_ports
from runtime.connection import connect
from runtime.dev_server import temporal_server
from runtime.embedded import Embedded
from runtime.record import read_record
from runtime.settings import Settings
from saga import SagaInput, SagaPlugin

QUEUE = "grown"


@dataclass(frozen=True)
class Store:
    """An embedded server with a file of its own."""

    settings: Settings

    @classmethod
    def new(cls, folder: Path, name: str) -> "Store":
        """One that is not there yet."""
        home = folder / name
        home.mkdir()
        temporal, ui = free_ports(2)
        return cls(Settings(saga_home=home, saga_temporal_port=temporal, saga_ui_port=ui))

    @property
    def server(self) -> Tree:
        """The server's process."""
        return Tree(read_record(self.settings).processes["temporal"].pid)

    @property
    def file(self) -> Path:
        """What the server keeps."""
        return self.settings.saga_home / "temporal.db"

    @property
    def rows(self) -> str:
        """The URL of its workers' read database."""
        return f"sqlite:///{self.settings.saga_home}/rows.db"

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Client]:
        """Have the server up, with what it had before; a client of it."""
        async with Embedded(self.settings, [temporal_server(self.settings)]):
            yield await connect(self.settings, plugins=[SagaPlugin()])

    @asynccontextmanager
    async def working(self, queue: str = QUEUE) -> AsyncIterator[ContenderProcess]:
        """A worker whose participants answer at once, ready for orders."""
        home = self.settings.saga_home
        async with ContenderProcess.started(
            *(f"worker-{uuid4()}", own_python(), "ours"),
            *(Setup(database=self.rows, queue=queue), home, "stepwise"),
            env=os.environ | {"SAGA_HOME": str(home)},
        ) as process:
            await process.carry_out(Task(0, 1, rows="own"))
            yield process


def queue_of_orders(queue: str = QUEUE) -> str:
    """The task queue of a `working` process, for orders that come from outside of it."""
    return f"{queue}-own"


def an_order(customer: str) -> SagaInput[PlaceOrder]:
    """One piece for a customer."""
    order = PlaceOrder(
        order_id=str(uuid4()),
        customer_id=customer,
        items=(Line(sku=SKU, quantity=1, unit_price_minor=1250),),
        card_token="tok_visa",  # noqa: S106 - the reference payment service's
        ship_to="1 Main Street, Springfield",
    )
    return SagaInput(command=order)


async def by_a_crowd(count: int, crowd: int, do: Callable[[], Awaitable[object]]) -> None:
    """Do something so many times, so many at once."""
    left = iter(range(count))

    async def one() -> None:
        for _ in left:
            await do()

    async with asyncio.TaskGroup() as group:
        for _ in range(crowd):
            group.create_task(one())
