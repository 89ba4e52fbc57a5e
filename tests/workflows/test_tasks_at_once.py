"""A worker takes no more orders out of the queue at once than it can carry out side by side."""

import asyncio
from typing import Any

import pytest
from temporalio.testing import WorkflowEnvironment
from typing_extensions import override

from activities.projection import projection
from saga import Call, Event, Lane, Status
from tests.fakes import FakeParticipants
from tests.orders import new_order
from workers.sagas import TASKS_AT_ONCE, saga_worker
from workers.sinks import sink_worker

ORDERS = 3 * TASKS_AT_ONCE


class Counting(FakeParticipants):
    """How many orders are under way at once."""

    def __init__(self) -> None:
        super().__init__()
        self.most = self._now = 0

    @override
    async def _take(self, name: str, call: Call[Any]) -> Event[Any]:
        if name != "create-order":
            return await super()._take(name, call)
        self._now += 1
        self.most = max(self.most, self._now)
        # As long as other orders need to come, if they are let.
        await asyncio.sleep(0.4)
        self._now -= 1
        return await super()._take(name, call)


@pytest.mark.asyncio(loop_scope="session")
async def test_a_backlog_waits_in_the_queue(dev_server: WorkflowEnvironment) -> None:
    participants = Counting()
    orders = [new_order(dev_server) for _ in range(ORDERS)]
    queue = orders[0].task_queue
    for order in orders:
        order.task_queue, order.lane = queue, Lane.EXPRESS
    placed = [await order.place() for order in orders]
    client, row = dev_server.client, orders[0].read_database.project_saga
    steps = saga_worker(client, queue, [*participants.activities(), row])
    # Those that are too slow for their lane need it.
    async with steps, sink_worker(client, queue, projection, [row]):
        outcomes = [await handle.result() for handle in placed]
    assert {outcome.status for outcome in outcomes} == {Status.COMPLETED}
    assert 1 < participants.most <= TASKS_AT_ONCE
