"""The workers of the sinks, each on a task queue of its own."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.worker import Worker

from activities.projection import ProjectionActivities, projection
from activities.reconciliation import ReconciliationActivities
from read_model.database import close_database
from read_model.migration import migrate
from read_model.projector import SagaProjector
from runtime.errors import ServerUnreachable
from saga import Sink
from workers.sagas import DRAIN, Activities
from workflows.reconcile import ReconcileReadModel

READ_DATABASE_RETRY = 5.0
"""Seconds between looks for a read database that is away."""

log = logging.getLogger("worker")


def sink_worker(
    client: Client,
    task_queue: str,
    sink: Sink,
    activities: Activities,
    workflows: Sequence[type] = (),
) -> Worker:
    """The worker of one sink, on a task queue of its own."""
    return Worker(
        client,
        task_queue=f"{task_queue}-{sink.name}",
        workflows=workflows,
        activities=activities,
        graceful_shutdown_timeout=DRAIN,
    )


@asynccontextmanager
async def projecting(
    client: Client, task_queue: str, database: AsyncEngine
) -> AsyncIterator[asyncio.Task[None]]:
    """Project in the background, as soon as the read database is there; the task that does it.

    The task ends only with an error that no waiting mends, such as a database that is unusable.
    """

    async def project() -> None:
        while True:
            try:
                await migrate(database)
            except ServerUnreachable as away:
                log.warning("%s; orders go through, their rows follow", away)
                await asyncio.sleep(READ_DATABASE_RETRY)
            else:
                break
        activities: Activities = [
            ProjectionActivities(SagaProjector(database)).project_saga,
            ReconciliationActivities(client, database).reconcile_read_model,
        ]
        workflows = [ReconcileReadModel]
        async with sink_worker(client, task_queue, projection, activities, workflows):
            await asyncio.Event().wait()

    task = asyncio.create_task(project())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])
        await close_database(database)
