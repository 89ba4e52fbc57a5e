"""The workers of one saga, in this process, which may be stopped in the middle of a call."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta

from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from saga.testing import Participants, Subject


@asynccontextmanager
async def working(
    client: Client,
    queue: str,
    subject: Subject,
    participants: Participants,
    *,
    cached: bool,
    killed: asyncio.Event,
) -> AsyncIterator[None]:
    """A worker for each sink, and one for the saga, which another replaces when it is killed."""

    async def saga() -> None:
        while True:
            async with _worker(client, queue, subject, participants, cached=cached):
                await killed.wait()
            killed.clear()

    async with AsyncExitStack() as stack:
        for sink in subject.sinks:
            told = participants.sink_activity(sink)
            worker = Worker(client, task_queue=f"{queue}-{sink.name}", activities=[told])
            await stack.enter_async_context(worker)
        task = asyncio.create_task(saga())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def _worker(
    client: Client, queue: str, subject: Subject, participants: Participants, *, cached: bool
) -> Worker:
    return Worker(
        client,
        task_queue=queue,
        workflows=[subject.workflow],
        activities=participants.activities(),
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_cached_workflows=1000 if cached else 0,
        # Its polls are gone before its activities end: the time-skipping server gives what is
        # tried again to polls that are just being cancelled.
        graceful_shutdown_timeout=timedelta(milliseconds=100),
        max_heartbeat_throttle_interval=timedelta(milliseconds=10),
    )
