"""An express saga that is asked how it stands while its lane runs.

The answer ends the workflow task without a command, and another one goes on with the lane. A replay
takes the two for one, at the later time.
"""

import asyncio
from datetime import timedelta

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.testing import WorkflowEnvironment

from contracts.sagas import ORDER
from saga import Lane, SagaInput, Status, read_saga
from tests.orders import FORWARD, command_of
from tests.workflows.express import Express, Handle, replays, told
from workflows.order import OrderSaga

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def place(express: Express) -> Handle:
    """As a client does: with search attributes, so that the workflow begins without a command."""
    start = SagaInput(command=command_of(express.order.order_id), lane=Lane.EXPRESS)
    await express.sagas.start(ORDER, start)
    return express.order.env.client.get_workflow_handle_for(OrderSaga.run, express.order.saga_id)


async def asked_in_its_lane(express: Express, *, lost: bool) -> Handle:
    """Place the order, and ask how it stands before any worker takes it."""
    held = express.participants.hold("charge-payment")
    handle = await place(express)
    asked = asyncio.create_task(express.order.state())
    for _ in range(5):  # The server has the question when these are answered.
        await handle.describe()
    saga, rows = express.workers()
    async with saga, rows:
        assert (await asked).status is Status.RUNNING
        while lost and express.participants.calls.count("charge-payment") < 2:
            await asyncio.sleep(0.01)
        held.release()
        await handle.result()
        assert await told(express.order)
    history = await handle.fetch_history()
    types = [event.event_type for event in history.events]
    marker = types.index(EventType.EVENT_TYPE_MARKER_RECORDED)
    completed = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    assert types[:marker].count(completed) == 2, "it was not asked in its lane"
    return handle


@pytest.mark.parametrize("lost", [False, True])
async def test_it_is_told_the_same_ever_after(
    dev_server: WorkflowEnvironment, monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    if lost:
        monkeypatch.setattr("saga.lane.LANE_LIMIT", timedelta(milliseconds=300))
    express = Express(dev_server)
    handle = await asked_in_its_lane(express, lost=lost)
    assert express.order.ledger == FORWARD
    history = await read_saga(dev_server.client, handle.id)
    assert history is not None
    handed = [event for batch in express.order.read_database.batches for event in batch.events]
    assert handed == list(history.events)
    assert express.order.read_database.batches[-1].state == history.state
    await replays(handle)
