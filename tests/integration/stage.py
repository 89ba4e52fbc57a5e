"""A stage for order sagas: real servers around the worker's own composition, in this process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import httpx
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import Client, WorkflowHandle

from contracts.commands import Line, PlaceOrder
from contracts.sagas import ORDER
from read_model.database import open_database
from read_model.queries import ReadModel
from read_model.tables import SagaRow
from saga import Lane, Reply, Request, SagaInput, SagaOutcome, Sagas, SagaState
from tests.integration.shops import Shops
from tests.postgres import postgres_database
from worker import HTTP_TIMEOUT
from workers.sagas import saga_activities, saga_worker
from workers.sinks import projecting
from workflows.order import OrderSaga

PATIENCE = 120.0
"""Seconds until a workflow that does not close fails its test."""

CUSTOMER = Request(by="C-1", reason="changed their mind")
NOWHERE = "Nowhere 1, Atlantis"
"""An address that no carrier delivers to."""

Handle = WorkflowHandle[OrderSaga, SagaOutcome]


def an_order(
    sku: str = "BOOK",
    *,
    quantity: int = 2,
    price: int = 1250,
    card: str = "tok_visa",
    ship_to: str = "1 Main St, Springfield",
) -> PlaceOrder:
    """An order of one line; unless told otherwise, nothing is wrong with it."""
    return PlaceOrder(
        order_id=str(uuid4()),
        customer_id="C-1",
        items=(Line(sku=sku, quantity=quantity, unit_price_minor=price),),
        card_token=card,
        ship_to=ship_to,
    )


@dataclass(frozen=True)
class Stage:
    """One task queue on a Temporal server, with services and a read database behind it."""

    client: Client
    shops: Shops
    database_url: str
    """Where the worker projects to."""
    reader: AsyncEngine
    """The same database, read by the test itself."""
    task_queue: str = field(default_factory=lambda: f"stage-{uuid4()}")

    @property
    def sagas(self) -> Sagas:
        """The sagas, as a client sees them."""
        return Sagas(self.client, self.task_queue)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Have a worker, put together as `worker.py` does it."""
        async with AsyncExitStack() as stack:
            clients = {
                name: await stack.enter_async_context(
                    httpx.AsyncClient(base_url=url, timeout=HTTP_TIMEOUT, trust_env=False)
                )
                for name, url in self.shops.urls.items()
            }
            database = open_database(self.database_url)
            _ = await stack.enter_async_context(projecting(self.client, self.task_queue, database))
            await stack.enter_async_context(
                saga_worker(self.client, self.task_queue, saga_activities(clients, database))
            )
            yield

    async def place(self, order: PlaceOrder, lane: Lane = Lane.STEPWISE) -> Handle:
        """Start an order's saga."""
        started = await self.sagas.start(ORDER, SagaInput(command=order, lane=lane))
        return self.client.get_workflow_handle_for(OrderSaga.run, started.saga_id)

    async def end(self, order: PlaceOrder) -> SagaOutcome:
        """Place an order and wait until its workflow has closed."""
        return await self.closed(await self.place(order))

    async def closed(self, handle: Handle) -> SagaOutcome:
        """The outcome, once the workflow has closed; raises TimeoutError when it does not."""
        async with asyncio.timeout(PATIENCE):
            return await handle.result()

    async def cancel(self, handle: Handle) -> Reply:
        """Cancel an order as its customer would."""
        return await self.sagas.cancel(handle.id, CUSTOMER)

    async def state(self, handle: Handle) -> SagaState:
        """What a saga itself says."""
        return await self.sagas.state(handle.id)

    async def row(self, order: PlaceOrder) -> SagaRow | None:
        """What the read database says."""
        return await ReadModel(self.reader).saga(ORDER.name, order.order_id)

    async def pending(self, handle: Handle, activity_id: str) -> PendingActivityInfo | None:
        """A call under way, as anyone sees it who asks the server about the workflow."""
        described = await handle.describe()
        pending = described.raw_description.pending_activities
        return next((it for it in pending if it.activity_id == activity_id), None)


@asynccontextmanager
async def reading(url: str) -> AsyncIterator[AsyncEngine]:
    """An engine of the test's own on a database."""
    engine = open_database(url)
    yield engine
    await engine.dispose()


@asynccontextmanager
async def new_database(backend: str, postgres_url: str | None, folder: Path) -> AsyncIterator[str]:
    """The URL of an empty read database."""
    if backend == "sqlite":
        yield f"sqlite:///{folder / 'read.db'}"
        return
    assert postgres_url is not None
    async with postgres_database(postgres_url) as url:
        yield url
