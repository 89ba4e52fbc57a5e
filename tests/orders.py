"""One order under test: its saga on a server, its workers, its hand-written participants."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from contracts.commands import Line, PlaceOrder
from saga import (
    Lane,
    Reply,
    Request,
    SagaInput,
    SagaOutcome,
    Sagas,
    SagaState,
    Status,
)
from tests.fakes import FakeParticipants, FakeReadDatabase
from workflows.order import OrderSaga

CUSTOMER = Request(by="C-1", reason="changed their mind")
FORWARD = [step.name for step in OrderSaga.steps]
UNDOS = [step.undo.name for step in OrderSaga.steps if step.undo]
PIVOT = "create-shipment"


def done_and_undone(*, until: str) -> list[str]:
    """The ledger of an order whose steps before `until` were done, then undone in reverse."""
    before = FORWARD.index(until)
    return FORWARD[:before] + UNDOS[:before][::-1]


def command_of(order_id: str) -> PlaceOrder:
    """The order that all these tests place."""
    return PlaceOrder(
        order_id=order_id,
        customer_id="C-1",
        items=(Line(sku="BOOK", quantity=2, unit_price_minor=1250),),
        card_token="tok_visa",
        ship_to="1 Main St, Springfield",
    )


@dataclass
class Order:
    """One order under test: its saga, its participants, its read database."""

    env: WorkflowEnvironment
    task_queue: str
    participants: FakeParticipants
    read_database: FakeReadDatabase
    order_id: str
    lane: Lane = Lane.STEPWISE

    async def place(
        self,
        *,
        deadline: timedelta = timedelta(minutes=10),
        sinks: tuple[str, ...] = (),
    ) -> WorkflowHandle[OrderSaga, SagaOutcome]:
        """Start the saga; the handle's `result()` skips time."""
        command = command_of(self.order_id)
        return await self.env.client.start_workflow(
            OrderSaga.run,
            SagaInput(command=command, deadline=deadline, sinks=sinks, lane=self.lane),
            id=self.saga_id,
            task_queue=self.task_queue,
        )

    @property
    def saga_id(self) -> str:
        return f"order-{self.order_id}"

    @property
    def sagas(self) -> Sagas:
        return Sagas(self.env.client, self.task_queue)

    async def cancel(self, request: Request = CUSTOMER) -> Reply:
        return await self.sagas.cancel(self.saga_id, request)

    async def state(self) -> SagaState:
        return await self.sagas.state(self.saga_id)

    async def is_stuck(self) -> None:
        """Wait until everybody knows it: a query is answered before its task has ended."""
        while not any(it.state.status is Status.STUCK for it in self.read_database.batches):
            await asyncio.sleep(0.01)

    @property
    def ledger(self) -> list[str]:
        return self.participants.ledger


def new_order(env: WorkflowEnvironment) -> Order:
    """An order for which no worker works yet."""
    return Order(
        env=env,
        task_queue=str(uuid4()),
        participants=FakeParticipants(),
        read_database=FakeReadDatabase(),
        order_id=str(uuid4()),
    )


@asynccontextmanager
async def working(
    env: WorkflowEnvironment,
    *,
    max_cached_workflows: int = 1000,
    workflow_runner: WorkflowRunner | None = None,
    order: Order | None = None,
) -> AsyncIterator[Order]:
    """An order about to be placed, with the workers for it."""
    order = order or new_order(env)
    workers = (
        Worker(
            env.client,
            task_queue=order.task_queue,
            workflows=[OrderSaga],
            activities=order.participants.activities(),
            max_cached_workflows=max_cached_workflows,
            workflow_runner=workflow_runner or SandboxedWorkflowRunner(),
            max_heartbeat_throttle_interval=timedelta(milliseconds=50),
            sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
        ),
        Worker(
            env.client,
            task_queue=f"{order.task_queue}-projection",
            activities=[order.read_database.project_saga],
        ),
    )
    async with workers[0], workers[1]:
        yield order
