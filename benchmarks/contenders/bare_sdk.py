"""The worker and the customers of `bare_workflow`, with the SDK's own defaults.

python -m benchmarks.contenders.bare_sdk SETUP
"""

import asyncio
from contextlib import AsyncExitStack

from temporalio.client import Client
from temporalio.worker import Worker

from benchmarks.contenders.bare_workflow import BareOrder, OrderActivities, Placed
from benchmarks.contenders.order import Order, participants
from benchmarks.contenders.rows import SqliteRows
from benchmarks.contenders.serving import Setup, Task, serve


async def main(setup: Setup) -> None:
    """Work, and let customers in."""
    client = await Client.connect(setup.temporal)
    rows = SqliteRows(setup.database)
    queues = {False: setup.queue, True: f"{setup.queue}-services"}

    async def place(order: Order, task: Task) -> bool:
        return await client.execute_workflow(
            BareOrder.run,
            Placed(order, every=task.rows == "every"),
            id=f"order-{order.order_id}",
            task_queue=queues[task.services],
        )

    async with AsyncExitStack() as stack:
        for services, queue in queues.items():
            activities = OrderActivities(participants(setup.services if services else {}), rows)
            worker = Worker(
                client,
                task_queue=queue,
                workflows=[BareOrder],
                activities=[activities.call, activities.write],
            )
            await stack.enter_async_context(worker)
        await serve(place)


if __name__ == "__main__":
    asyncio.run(main(Setup.told()))
