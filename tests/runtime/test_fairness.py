"""Customers take turns on the embedded server: a backlog of one is not what the others wait for."""

import asyncio
from uuid import uuid4

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import ListTaskQueuePartitionsRequest
from temporalio.client import Client, WorkflowHandle

from benchmarks.counted_worker import workers
from benchmarks.instant import InstantParticipants
from contracts.commands import Line, PlaceOrder
from contracts.sagas import ORDER
from runtime.connection import connect
from runtime.dev_server import temporal_server
from runtime.embedded import Embedded
from runtime.settings import Settings
from saga import SagaInput, SagaOutcome, SagaPlugin, Sagas, Status
from saga.identity import fairness_key

BACKLOG = 40
QUEUE = "turns"


def an_order(customer: str) -> PlaceOrder:
    return PlaceOrder(
        order_id=str(uuid4()),
        customer_id=customer,
        items=(Line(sku="BOOK", quantity=1, unit_price_minor=1250),),
        card_token="tok_visa",
        ship_to="1 Main Street, Springfield",
    )


async def partitions_of(queue: str, client: Client) -> int:
    """How many partitions the server writes its workflow tasks to."""
    asked = ListTaskQueuePartitionsRequest(
        namespace=client.namespace, task_queue=TaskQueue(name=queue)
    )
    told = await client.workflow_service.list_task_queue_partitions(asked)
    return len(told.workflow_task_queue_partitions)


async def taken_up(saga: WorkflowHandle[object, SagaOutcome]) -> int:
    """When a worker took its first task, in nanoseconds."""
    async for event in saga.fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED:
            return event.event_time.ToNanoseconds()
    raise AssertionError(f"no worker has taken {saga.id} up")


@pytest.mark.asyncio
@pytest.mark.timeout(120)
@pytest.mark.long
async def test_a_late_order_does_not_wait_for_another_customers_backlog(settings: Settings) -> None:
    async with Embedded(settings, [temporal_server(settings)]):
        client = await connect(settings, plugins=[SagaPlugin()])
        # Turns are taken within a partition.
        assert await partitions_of(QUEUE, client) == 1
        sagas = Sagas(client, QUEUE)

        async def placed(customer: str) -> WorkflowHandle[object, SagaOutcome]:
            started = await sagas.start(ORDER, SagaInput(command=an_order(customer)))
            return client.get_workflow_handle(started.saga_id, result_type=SagaOutcome)

        # Longer than Temporal takes a key, and no customer's orders are refused for that.
        backlog = [await placed("crowd" * 20) for _ in range(BACKLOG)]
        late = await placed("late")
        steps, rows = workers(client, QUEUE, InstantParticipants())
        async with steps, rows:
            outcomes = await asyncio.gather(*(it.result() for it in [late, *backlog]))
        assert {it.status for it in outcomes} == {Status.COMPLETED}
        own, *others = [await taken_up(it) for it in [late, *backlog]]

    assert sum(other < own for other in others) < BACKLOG / 8


def test_a_key_is_as_long_as_temporal_takes_it() -> None:
    assert fairness_key("C-1") == "C-1"
    assert fairness_key("ü" * 32) == "ü" * 32
    long = [fairness_key("ü" * 32 + end) for end in "ab"]
    assert [len(key.encode()) for key in long] == [64, 64]
    assert long[0] != long[1]
