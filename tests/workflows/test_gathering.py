"""Events gather shortly before the first row of an order, and longer before each later one."""

import asyncio
from datetime import timedelta

import pytest
from temporalio.testing import WorkflowEnvironment

from activities.projection import projection
from tests.orders import working

DEADLINE = timedelta(minutes=3)

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_first_row_comes_soon_and_a_later_one_less_soon(
    dev_server: WorkflowEnvironment,
) -> None:
    async with working(dev_server) as order:
        payment = order.participants.hold("charge-payment")
        shipment = order.participants.hold("create-shipment")
        handle = await order.place(deadline=DEADLINE)
        while not order.read_database.batches:
            await asyncio.sleep(0.01)
        payment.release()
        await shipment.reached.wait()
        shipment.release()
        await handle.result()
        waits: list[timedelta] = []
        async for event in handle.fetch_history_events():
            if event.HasField("timer_started_event_attributes"):
                started = event.timer_started_event_attributes
                waits.append(started.start_to_fire_timeout.ToTimedelta())
    assert waits == [projection.interval, DEADLINE, projection.later_interval]
    assert [len(batch.events) for batch in order.read_database.batches[1:]] == [8]
