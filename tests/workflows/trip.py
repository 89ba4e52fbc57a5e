"""A trip that is about to be booked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import uuid4

from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from saga import Repair, RepairAction, SagaInput, SagaOutcome, Sagas
from tests.agency import Agency
from tests.trips import BookTrip, TripSaga


@dataclass
class Trip:
    """One trip about to be booked."""

    env: WorkflowEnvironment
    queue: str = field(default_factory=lambda: str(uuid4()))
    agency: Agency = field(default_factory=Agency)

    @property
    def id(self) -> str:
        return f"trip-{self.queue}"

    @property
    def sagas(self) -> Sagas:
        return Sagas(self.env.client, self.queue)

    async def book(self, plan: str = "whole") -> WorkflowHandle[TripSaga, SagaOutcome]:
        await self.sagas.start(
            TripSaga.kind, SagaInput(command=BookTrip(trip_id=self.queue, plan=plan))
        )
        return self.env.client.get_workflow_handle_for(TripSaga.run, self.id)

    async def end(self, plan: str = "whole") -> SagaOutcome:
        return await (await self.book(plan)).result()

    async def stuck(self, *steps: str) -> None:
        """Wait until these are what a person has to repair."""
        while (found := set((await self.sagas.state(self.id)).stuck)) != set(steps):
            await asyncio.sleep(0.02)
        assert found == set(steps)

    async def repair(self, step: str, action: RepairAction, **changes: str | int) -> str:
        repair = Repair(
            by="op", reason="because", step=step, action=action, changes={**changes} or None
        )
        return (await self.sagas.repair(self.id, repair)).message


@asynccontextmanager
async def booking(
    env: WorkflowEnvironment, *, max_cached_workflows: int = 1000
) -> AsyncIterator[Trip]:
    trip = Trip(env)
    async with Worker(
        env.client,
        task_queue=trip.queue,
        workflows=[TripSaga],
        activities=trip.agency.activities,
        max_cached_workflows=max_cached_workflows,
    ):
        yield trip
