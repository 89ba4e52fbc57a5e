"""A house: `worker.py` and `starter.py` as processes, on a SAGA_HOME and ports of their own."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from temporalio.client import Client

from contracts.commands import PlaceOrder
from runtime.record import Record
from saga import SagaPlugin
from tests.integration.books import Books
from tests.integration.commands import Ran, run_command
from tests.integration.processes import ROOT, Child, environment
from tests.integration.shops import Shops, clients_of
from tests.integration.stage import Stage, reading
from tests.ports import free_ports


@dataclass
class House:
    """What shares one SAGA_HOME."""

    home: Path
    temporal_port: int = 0
    ui_port: int = 0
    workers: list[Child] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    """Variables that every process has beside the usual ones."""

    def __post_init__(self) -> None:
        self.temporal_port, self.ui_port = free_ports(2)

    @property
    def variables(self) -> dict[str, str]:
        """The environment of every process in the house."""
        ports = {
            "SAGA_TEMPORAL_PORT": str(self.temporal_port),
            "SAGA_UI_PORT": str(self.ui_port),
        }
        return environment(self.home) | ports | self.settings

    @property
    def record(self) -> Record:
        """The embedded processes as they are written down."""
        return Record.load(self.home)

    @property
    def pids(self) -> dict[str, int]:
        """The embedded processes' ids by name."""
        return {name: it.pid for name, it in self.record.processes.items()}

    async def worker(self, *options: str, **variables: str) -> Child:
        """Start a worker."""
        output = self.home / f"worker-{len(self.workers)}.log"
        argv = [sys.executable, str(ROOT / "worker.py"), *options]
        env = self.variables | variables
        self.workers.append(await Child.start(argv, output, env=env, cwd=self.home))
        return self.workers[-1]

    async def ready_worker(self, *options: str) -> Child:
        """Start a worker and wait until it takes orders."""
        worker = await self.worker(*options)
        # No stopwatch: beside other tests a start takes as long as they let it.
        await worker.says("ready:", seconds=50)
        return worker

    async def starter(self, *arguments: str) -> Ran:
        """Run a command of `starter.py` to its end."""
        return await run_command(arguments, self.variables, self.home)

    @asynccontextmanager
    async def stage(self) -> AsyncIterator[Stage]:
        """The house as tests see other stages; its worker is a process."""
        address = f"127.0.0.1:{self.temporal_port}"
        client = await Client.connect(address, plugins=[SagaPlugin()])
        url = f"sqlite:///{self.home / 'read.db'}"
        async with clients_of(self.record.service_urls) as clients, reading(url) as reader:
            shops = Shops(clients, Books(self.home))
            yield Stage(client, shops, url, reader, task_queue="sagas")

    def processes(self) -> list[psutil.Process]:
        """Every process that runs for this house."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                variables = process.environ()
                marks = (variables.get("SAGA_HOME", ""), variables.get("SAGA_EMBEDDED", ""))
                alive = process.status() != psutil.STATUS_ZOMBIE
                if alive and any(mark.startswith(str(self.home)) for mark in marks):
                    found.append(process)
        return found

    async def clear(self) -> None:
        """Leave nothing behind, whatever a test has left running."""
        for worker in self.workers:
            await worker.kill()
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()


def options_of(order: PlaceOrder) -> list[str]:
    """The options of `place-order` that say an order of one line."""
    [line] = order.items
    price = f"{line.unit_price_minor // 100}.{line.unit_price_minor % 100:02}"
    return [
        *("--order-id", order.order_id, "--customer", order.customer_id),
        *("--item", f"{line.sku}={line.quantity}@{price}"),
        *("--card", order.card_token, "--ship-to", order.ship_to),
    ]
