"""A shop: the command line as a process, a worker behind it, and its read database."""

import asyncio
import os
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.projection import ProjectionActivities
from activities.reconciliation import ReconciliationActivities
from read_model.database import close_database, open_database
from read_model.migration import migrate
from read_model.projector import SagaProjector
from runtime.settings import Settings
from saga import Sagas
from tests.fakes import FakeParticipants
from tests.integration.commands import Ran, run_command
from workflows.order import OrderSaga
from workflows.reconcile import ReconcileReadModel

ROOT = Path(__file__).parents[2]
ORDER = (
    *("--customer", "C-1", "--item", "BOOK=2@12.50", "--item", "PEN=1@3.20"),
    *("--card", "tok_visa", "--ship-to", "1 Main St, Springfield"),
)


@dataclass
class Shop:
    """One task queue, the participants behind it, and the command line in front of it."""

    env: WorkflowEnvironment
    folder: Path
    task_queue: str = field(default_factory=lambda: f"q-{uuid4()}")
    participants: FakeParticipants = field(default_factory=FakeParticipants)

    @property
    def variables(self) -> dict[str, str]:
        """The environment of the command."""
        own = {name.upper() for name in Settings.model_fields}
        foreign = {it: value for it, value in os.environ.items() if it not in own}
        foreign = {it: value for it, value in foreign.items() if not it.startswith("TEMPORAL_")}
        return foreign | self.settings

    @property
    def settings(self) -> dict[str, str]:
        """The variables that lead to this shop."""
        return {
            "TEMPORAL_ADDRESS": self.env.client.service_client.config.target_host,
            "READ_DATABASE_URL": self.database_url,
            "SAGA_HOME": str(self.folder),
            "SAGA_TASK_QUEUE": self.task_queue,
            "HOME": str(self.folder),
        }

    @property
    def database_url(self) -> str:
        """The read database."""
        return f"sqlite:///{self.folder / 'read.db'}"

    @asynccontextmanager
    async def start(
        self, *arguments: str, **variables: str
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """Start a command; one that still runs at the end is killed."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(ROOT / "starter.py"),
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self.folder,
            env=self.variables | variables,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    async def run(self, *arguments: str, stdin: str = "", **variables: str) -> Ran:
        """Run a command to its end."""
        return await run_command(arguments, self.variables | variables, self.folder, stdin)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Have a worker."""
        engine = open_database(self.database_url)
        await migrate(engine)
        projection = ProjectionActivities(SagaProjector(engine))
        reconciliation = ReconciliationActivities(self.env.client, engine)
        async with (
            Worker(
                self.env.client,
                task_queue=self.task_queue,
                workflows=[OrderSaga],
                activities=self.participants.activities(),
                # A cancel reaches an activity with its next heartbeat.
                max_heartbeat_throttle_interval=timedelta(milliseconds=50),
            ),
            Worker(
                self.env.client,
                task_queue=f"{self.task_queue}-projection",
                workflows=[ReconcileReadModel],
                activities=[projection.project_saga, reconciliation.reconcile_read_model],
            ),
        ):
            yield
        await close_database(engine)

    async def forgotten_twin(self, order_id: str) -> str:
        """Make another order with the same row, of which Temporal knows nothing."""
        twin = str(uuid4())
        state = await Sagas(self.env.client, self.task_queue).state(f"order-{order_id}")
        headline = state.headline.model_copy(update={"business_id": twin})
        changed = state.model_copy(update={"saga_id": f"order-{twin}", "headline": headline})
        engine = open_database(self.database_url)
        await SagaProjector(engine).project(changed)
        await engine.dispose()
        return twin

    def forget_rows(self) -> None:
        """Lose the rows of all sagas; their events stay."""
        with closing(sqlite3.connect(self.folder / "read.db")) as database, database:
            database.execute("DELETE FROM sagas")

    async def has_projected(self, order_id: str) -> None:
        """Wait until an order's workflow has closed, and so its row is final."""
        await self.env.client.get_workflow_handle(f"order-{order_id}").result()
