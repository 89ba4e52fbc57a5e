"""This project's worker and its customers: step by step, or in the express lane.

python -m benchmarks.contenders.ours SETUP stepwise|express

The workers are those of `worker.py`, the same for both; only the orders are started otherwise.
"""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from activities.projection import ProjectionActivities, projection
from benchmarks.contenders.order import CARD, PRICE, SKU, Order
from benchmarks.contenders.our_rows import EachChange, LastOnly
from benchmarks.contenders.our_workflows import OrderSagaEveryRow, OrderSagaFinalRow
from benchmarks.contenders.serving import Setup, Task, serve
from benchmarks.instant import InstantParticipants
from contracts.commands import Line, PlaceOrder
from read_model.database import open_database
from read_model.migration import migrate
from read_model.projector import SagaProjector
from runtime.connection import connect
from runtime.search_attributes import register_search_attributes
from runtime.settings import Settings
from saga import Batch, Lane, SagaInput, SagaOutcome, SagaPlugin, Sagas, Status
from worker import HTTP_TIMEOUT
from workers.process import run
from workers.sagas import WORKFLOW_MODULES, Activities, saga_worker, step_activities
from workers.sinks import sink_worker
from workflows.order import OrderSaga

SAGAS: dict[str, type[OrderSaga]] = {
    "every": OrderSagaEveryRow,
    "own": OrderSaga,
    "final": OrderSagaFinalRow,
}

MODULES = (*WORKFLOW_MODULES, "benchmarks.contenders.our_workflows")


def projecting(database: AsyncEngine, rows: str) -> Callable[[Batch], Awaitable[None]]:
    """The activity that writes rows as often as it is asked to."""
    projector = SagaProjector(database)
    if rows == "own":
        return ProjectionActivities(projector).project_saga
    if rows == "final":
        return LastOnly(projector).project_saga
    return EachChange(projector, shared=database.dialect.name == "sqlite").project_saga


@asynccontextmanager
async def working(
    client: Client, queue: str, task: Task, setup: Setup, database: AsyncEngine
) -> AsyncIterator[None]:
    """The workers for one kind of block."""
    async with AsyncExitStack() as stack:
        steps: Activities = InstantParticipants().activities()
        if task.services:
            clients = {
                name: await stack.enter_async_context(
                    httpx.AsyncClient(base_url=url, timeout=HTTP_TIMEOUT, trust_env=False)
                )
                for name, url in setup.services.items()
            }
            steps = step_activities(clients)
        # One for both workers, as it knows what either has written.
        rows = projecting(database, task.rows)
        await stack.enter_async_context(sink_worker(client, queue, projection, [rows]))
        worker = saga_worker(client, queue, [*steps, rows], [SAGAS[task.rows]])
        await stack.enter_async_context(worker)
        yield


async def main(setup: Setup, lane: Lane) -> None:
    """Work, and let customers in."""
    client = await connect(
        Settings.from_environment(), plugins=[SagaPlugin(passed_through=MODULES)]
    )
    await register_search_attributes(client)
    database = open_database(setup.database)
    await migrate(database)

    def queue_of(task: Task) -> str:
        return f"{setup.queue}-{task.rows}" + ("-services" if task.services else "")

    async def place(order: Order, task: Task) -> bool:
        placed = PlaceOrder(
            order_id=order.order_id,
            customer_id=order.customer_id,
            items=(Line(sku=SKU, quantity=1, unit_price_minor=PRICE),),
            card_token=CARD,
            ship_to=order.address,
        )
        started = await Sagas(client, queue_of(task), lane).start(
            SAGAS[task.rows].kind, SagaInput(command=placed)
        )
        handle = client.get_workflow_handle(started.saga_id, result_type=SagaOutcome)
        return (await handle.result()).status is Status.COMPLETED

    @asynccontextmanager
    async def ready_for(task: Task) -> AsyncIterator[None]:
        async with working(client, queue_of(task), task, setup, database):
            yield

    await serve(place, ready_for)
    await database.dispose()


if __name__ == "__main__":
    run(main(Setup.told(), Lane(sys.argv[2])))
