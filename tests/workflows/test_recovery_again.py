"""Recoveries of what had hardly begun anew: the effects of the runs before are still there."""

from datetime import timedelta

import pytest
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner

from saga import Request, Status, read_saga, told_last
from tests.orders import new_order, working
from tests.resets import workflow_tasks
from tests.workflows.resetting import history, reset
from workflows.order import OrderSaga

pytestmark = pytest.mark.asyncio(loop_scope="session")

OPERATOR = Request(by="op", reason="it was ended by mistake")


async def test_a_recovery_that_no_worker_took_is_recovered(
    dev_server: WorkflowEnvironment,
) -> None:
    order = new_order(dev_server)
    async with working(dev_server, order=order):
        step = order.participants.hold("reserve-stock", after_effect=True)
        handle = await order.place()
        await step.reached.wait()
        await handle.terminate()
        order.participants.recover("reserve-stock")
    await order.sagas.recover(order.saga_id, OPERATOR)
    newest = dev_server.client.get_workflow_handle_for(OrderSaga.run, order.saga_id)
    # It takes its turn among its customer's other orders.
    assert (await newest.describe()).raw_info.priority.fairness_key == "C-1"
    await newest.terminate()

    assert (await order.sagas.recover(order.saga_id, OPERATOR)).accepted

    async with working(dev_server, order=order):
        assert (await newest.result()).status is Status.COMPENSATED
    assert order.participants.standing == []


@pytest.mark.parametrize(
    "held", [pytest.param("reserve-stock", marks=pytest.mark.long), "create-shipment"]
)
async def test_a_reset_to_the_beginning_that_no_worker_took_is_recovered(
    dev_server: WorkflowEnvironment, held: str
) -> None:
    order = new_order(dev_server)
    async with working(dev_server, order=order):
        step = order.participants.hold(held, after_effect=True)
        handle = await order.place()
        await step.reached.wait()
        run_id = str(handle.result_run_id)
        tasks = workflow_tasks(await history(order, run_id))
        await handle.terminate()
        order.participants.recover(held)
    await reset(order, run_id=run_id, to=tasks[0])
    newest = dev_server.client.get_workflow_handle_for(OrderSaga.run, order.saga_id)
    await newest.terminate()

    reply = await order.sagas.recover(order.saga_id, OPERATOR)

    async with working(dev_server, order=order):
        outcome = await newest.result()
    if held == "create-shipment":
        assert outcome.status is Status.COMPLETED
        assert not reply.accepted
    else:
        assert outcome.status is Status.COMPENSATED
        assert order.participants.standing == []


@pytest.mark.parametrize(
    "to", [0, pytest.param(2, marks=pytest.mark.long), None], ids=["first", "middle", "recovery"]
)
async def test_a_run_that_was_ended_before_its_first_task_has_places_of_its_own(
    dev_server: WorkflowEnvironment, to: int | None
) -> None:
    order = new_order(dev_server)
    async with working(dev_server, order=order):
        step = order.participants.hold("reserve-stock")
        handle = await order.place()
        await step.reached.wait()
        run_id = str(handle.result_run_id)
        await handle.terminate()
        order.participants.recover("reserve-stock")
    before = await read_saga(dev_server.client, order.saga_id)
    if to is None:
        await order.sagas.recover(order.saga_id, OPERATOR)
    else:
        await reset(order, run_id=run_id, to=workflow_tasks(await history(order, run_id))[to])
    newest = dev_server.client.get_workflow_handle_for(OrderSaga.run, order.saga_id)
    await newest.terminate()

    told = await read_saga(dev_server.client, order.saga_id)

    assert before is not None
    assert told is not None
    assert told.state is not None
    assert told.state.status is Status.TERMINATED
    assert all(event in told.all_events for event in before.events)
    assert tuple(told_last(told.all_events)) == told.events
    await order.sagas.recover(order.saga_id, OPERATOR)
    async with working(dev_server, order=order):
        await newest.result()
        told = await read_saga(dev_server.client, order.saga_id)
        assert told is not None
        assert told.state == await order.state()
        assert tuple(told_last(told.all_events)) == told.events


async def test_a_recovery_that_is_reset_is_told_by_its_newest_run(
    dev_server: WorkflowEnvironment,
) -> None:
    order = new_order(dev_server)
    async with working(dev_server, order=order):
        step = order.participants.hold("reserve-stock", after_effect=True)
        handle = await order.place()
        await step.reached.wait()
        await handle.terminate()
        order.participants.recover("reserve-stock")
        await order.sagas.recover(order.saga_id, OPERATOR)
        newest = dev_server.client.get_workflow_handle_for(OrderSaga.run, order.saga_id)
        await newest.result()
        for to in (1, 0):
            run_id = str((await newest.describe()).run_id)
            await reset(order, run_id=run_id, to=workflow_tasks(await history(order, run_id))[to])
            assert (await newest.result()).status is Status.COMPENSATED
            told = await read_saga(dev_server.client, order.saga_id)
            assert told is not None
            assert told.state == await order.state()
            assert tuple(told_last(told.all_events)) == told.events
            assert told.reaches_back


async def test_the_epoch_is_that_of_the_first_task_that_did_not_fail(
    dev_server: WorkflowEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = new_order(dev_server)
    failures = iter([ValueError("a bug, until it is mended")])

    def deadline(_: object) -> timedelta:
        if (failure := next(failures, None)) is not None:
            raise failure
        return timedelta(minutes=10)

    monkeypatch.setattr(OrderSaga, "deadline", property(deadline))
    runner = UnsandboxedWorkflowRunner()
    async with working(dev_server, order=order, workflow_runner=runner):
        await (await order.place(deadline=timedelta())).result()
        told = await read_saga(dev_server.client, order.saga_id)
    assert told is not None
    handed = [event for batch in order.read_database.batches for event in batch.events]
    assert next(failures, None) is None
    assert [it.event_id for it in told.events] == [it.event_id for it in handed]
