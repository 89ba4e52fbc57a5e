"""A worker for the engine's orders and the hand-written ones, which tells its own CPU time.

python -m benchmarks.counted_worker

It says `ready` on stdout, then answers each line on stdin by the CPU seconds that it has used, and
ends when stdin does.
"""

import asyncio
import gc
import sys
import time
from datetime import timedelta

from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.projection import projection
from benchmarks.by_hand import OrderByHand
from benchmarks.instant import InstantParticipants, InstantReadDatabase
from runtime.connection import connect
from runtime.settings import Settings
from saga import SagaPlugin
from workflows.order import OrderSaga

# The sandbox loads a workflow's file anew for each saga. Most of the engine is spared that, and so
# is here all of either side, since else the longer file would lose by its length.
LOADED_ONCE = SandboxedWorkflowRunner(
    restrictions=SandboxRestrictions.default.with_passthrough_modules("benchmarks", "workflows")
)


def workers(client: Client, task_queue: str, participants: InstantParticipants) -> list[Worker]:
    """Workers for both kinds of orders, and for their rows."""
    return [
        Worker(
            client,
            task_queue=task_queue,
            workflows=[OrderSaga, OrderByHand],
            activities=participants.activities(),
            workflow_runner=LOADED_ONCE,
            sticky_queue_schedule_to_start_timeout=timedelta(seconds=10),
        ),
        Worker(
            client,
            task_queue=f"{task_queue}-{projection.name}",
            activities=[InstantReadDatabase().project_saga],
        ),
    ]


async def work(settings: Settings) -> None:
    """Work until stdin ends."""
    client = await connect(settings, plugins=[SagaPlugin()])
    steps, rows = workers(client, settings.saga_task_queue, InstantParticipants())
    async with steps, rows:
        print("ready", flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            print(time.process_time(), flush=True)
            # What one side has left behind is not the other side's to clear away.
            gc.collect()


if __name__ == "__main__":
    asyncio.run(work(Settings.from_environment()))
