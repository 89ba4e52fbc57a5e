"""A worker that has lost its cache takes up a paused saga, on a real server."""

import asyncio
from datetime import timedelta

import pytest
from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from activities.projection import projection
from saga import SagaOutcome, SagaPlugin, Status, StepStatus
from tests.orders import CUSTOMER, Order, working
from workflows.order import OrderSaga


@pytest.fixture(params=[None, timedelta(hours=1)], ids=["no-interval", "interval"])
def interval(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The projection's; the workflow must run outside the sandbox."""
    monkeypatch.setitem(vars(projection), "interval", request.param)


async def _at_rest(order: Order, handle: WorkflowHandle[OrderSaga, SagaOutcome]) -> None:
    """Wait until all tasks so far are completed, and no activity is under way but what is held."""
    last = -1
    while True:
        history = await handle.fetch_history()
        names = [str(event.WhichOneof("attributes")) for event in history.events]
        if names[-1] == "workflow_task_completed_event_attributes" or "timer" in names[-1]:
            if len(names) == last:
                return
            last = len(names)
        await asyncio.sleep(0.2)


async def test_a_step_that_ends_in_a_pause_and_a_resume_are_replayed_in_their_order(
    dev_server: WorkflowEnvironment, interval: None
) -> None:
    runner = UnsandboxedWorkflowRunner()
    async with working(dev_server, max_cached_workflows=0, workflow_runner=runner) as order:
        held = order.participants.hold("charge-payment")
        handle = await order.place()
        await held.reached.wait()
        await order.sagas.pause(order.saga_id, CUSTOMER)
        await _at_rest(order, handle)
        held.release()
        while (await order.state()).steps["charge-payment"] is not StepStatus.DONE:
            await asyncio.sleep(0.02)
        await _at_rest(order, handle)
        await order.sagas.resume(order.saga_id, CUSTOMER)
        async with asyncio.timeout(20):
            assert (await handle.result()).status is Status.COMPLETED
        replayer = Replayer(workflows=[OrderSaga], plugins=[SagaPlugin()], workflow_runner=runner)
        await replayer.replay_workflow(await handle.fetch_history())
