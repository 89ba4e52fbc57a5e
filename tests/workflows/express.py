"""An order in the express lane, and what its history says."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from pydantic import BaseModel
from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, Worker

from saga import Lane, SagaInput, SagaOutcome, SagaPlugin, Sagas, read_saga
from saga.lane import InExpress
from tests.fakes import FakeReadDatabase
from tests.orders import Order, command_of, new_order
from tests.resets import reset_run, workflow_tasks
from workflows.order import OrderSaga

Handle = WorkflowHandle[OrderSaga, SagaOutcome]


class Express:
    """An order in the express lane, and the worker of its rows apart."""

    def __init__(self, env: WorkflowEnvironment) -> None:
        self.order = new_order(env)
        self.here: FakeReadDatabase = self.order.read_database
        """What the saga's own worker projects to."""
        self.participants = self.order.participants

    @property
    def sagas(self) -> Sagas:
        return Sagas(self.order.env.client, self.order.task_queue)

    async def place(
        self,
        lane: Lane = Lane.EXPRESS,
        *,
        task_timeout: timedelta | None = None,
        deadline: timedelta | None = None,
    ) -> Handle:
        command = command_of(self.order.order_id)
        return await self.order.env.client.start_workflow(
            OrderSaga.run,
            SagaInput(command=command, lane=lane, deadline=deadline),
            id=self.order.saga_id,
            task_queue=self.order.task_queue,
            task_timeout=task_timeout,
        )

    def workers(self) -> tuple[Worker, Worker]:
        client, queue = self.order.env.client, self.order.task_queue
        saga = Worker(
            client,
            task_queue=queue,
            workflows=[OrderSaga],
            activities=[*self.participants.activities(), self.here.project_saga],
            max_cached_workflows=0,
            workflow_runner=UnsandboxedWorkflowRunner(),
            max_heartbeat_throttle_interval=timedelta(milliseconds=50),
        )
        rows = Worker(
            client,
            task_queue=f"{queue}-projection",
            activities=[self.order.read_database.project_saga],
        )
        return saga, rows


async def told(order: Order) -> list[tuple[int, str, str | None, object]]:
    """What the history says, without what only one order has."""
    history = await read_saga(order.env.client, order.saga_id)
    assert history is not None
    assert history.state == await order.state()
    mine = (order.order_id, order.saga_id)
    assert {call.saga_id for call in history.runs[-1].calls} <= {mine[1]}
    return [(it.position, it.event_type, it.step, it.direction) for it in history.events]


async def replays(handle: Handle) -> None:
    runner = UnsandboxedWorkflowRunner()
    replayer = Replayer(workflows=[OrderSaga], plugins=[SagaPlugin()], workflow_runner=runner)
    await replayer.replay_workflow(await handle.fetch_history())


async def reset(express: Express, handle: Handle, choose: Callable[[list[int]], int]) -> Handle:
    history = await handle.fetch_history()
    client, to = express.order.env.client, choose(workflow_tasks(history))
    run_id = await reset_run(client, handle.id, to=to)
    return client.get_workflow_handle_for(OrderSaga.run, handle.id, run_id=run_id)


def lose_a_lane(
    express: Express,
    monkeypatch: pytest.MonkeyPatch,
    *,
    by_timeout: bool = False,
    then_away: bool = True,
) -> asyncio.Event:
    """Lose the first lane when it has done all; the next one comes as far as the payment.

    That one is away from then on.

    Args:
        express: not placed yet.
        monkeypatch: of the test.
        by_timeout: the worker says nothing any more, which needs a workflow task of a second.
        then_away: otherwise the payment stays as it is.

    Returns:
        What is set when it is lost.
    """
    fetch, lost = InExpress.fetch, asyncio.Event()

    async def losing(host: InExpress, start: BaseModel, epoch: int) -> int | None:
        told = await fetch(host, start, epoch)
        if not lost.is_set():
            lost.set()
            if then_away:
                express.participants.away("charge-payment", attempts=1000)
            if not by_timeout:
                raise RuntimeError("the worker is lost")
            # No await: the thread that would answer the server is not there meanwhile.
            time.sleep(1.4)
        return told

    monkeypatch.setattr(InExpress, "fetch", losing)
    return lost
