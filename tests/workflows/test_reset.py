"""Resets on a real server: a newer run tells the story, and what was undone stays undone."""

from uuid import uuid4

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowHistory
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer, Worker

from saga import (
    NotRecoverable,
    Repair,
    RepairAction,
    Request,
    SagaInput,
    SagaOutcome,
    SagaPlugin,
    Sagas,
    Status,
    read_saga,
    told_last,
)
from tests.orders import Order, new_order
from tests.trips import Agency, BookTrip, TripSaga
from workflows.order import OrderSaga

pytestmark = pytest.mark.asyncio(loop_scope="session")

OPERATOR = Request(by="op", reason="it was ended by mistake")
FORWARD = [step.name for step in OrderSaga.steps]
UNDOS = [step.undo.name for step in OrderSaga.steps if step.undo]


async def reset(order: Order, *, run_id: str, to: int) -> str:
    """Reset the order's saga; the new run's id."""
    reply = await order.env.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=order.env.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=order.saga_id, run_id=run_id),
            reason="test",
            workflow_task_finish_event_id=to,
            request_id=f"{order.saga_id}-{to}",
        )
    )
    return reply.run_id


async def history(order: Order, run_id: str) -> WorkflowHistory:
    handle = order.env.client.get_workflow_handle(order.saga_id, run_id=run_id)
    return await handle.fetch_history()


def workflow_tasks(history: WorkflowHistory) -> list[int]:
    """The events that the saga can be reset to."""
    completed = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    return [event.event_id for event in history.events if event.event_type == completed]


async def outcome_of(order: Order, run_id: str) -> SagaOutcome:
    handle = order.env.client.get_workflow_handle_for(OrderSaga.run, order.saga_id, run_id=run_id)
    return await handle.result()


async def tell_alike(order: Order, *run_ids: str) -> None:
    """All runs are readable, and say which of their events the newest one has."""
    told = await read_saga(order.env.client, order.saga_id, run_ids)
    assert told is not None
    assert {run.run_id for run in told.runs} >= set(run_ids)
    assert told.runs[-1].run_id == run_ids[-1]
    assert told.state == await order.state()
    assert tuple(told_last(told.all_events)) == told.events


async def replays(history: WorkflowHistory) -> None:
    replayer = Replayer(workflows=[OrderSaga], plugins=[SagaPlugin()])
    await replayer.replay_workflow(history)


@pytest.mark.long
async def test_a_completed_saga_completes_again_from_anywhere(real_order: Order) -> None:
    order = real_order
    first = await order.place()
    await first.result()
    run_id = str(first.result_run_id)
    epoch = (await order.state()).epoch
    runs = [run_id]
    for task in workflow_tasks(await history(order, run_id)):
        newer = await reset(order, run_id=run_id, to=task)
        runs.append(newer)
        outcome = await outcome_of(order, newer)
        assert outcome.status is Status.COMPLETED
        assert order.ledger == FORWARD
        await replays(await history(order, newer))
        row = order.read_database.batches[-1].state
        assert row.epoch > epoch
        epoch = row.epoch
        assert row == await order.state()
        positions = [(e.epoch, e.position) for e in order.read_database.batches[-1].events]
        assert len(positions) == len(set(positions))
        await tell_alike(order, *runs)


@pytest.mark.long
async def test_a_compensated_saga_stays_compensated_from_anywhere(real_order: Order) -> None:
    order = real_order
    order.participants.refuse("create-shipment")
    first = await order.place()
    await first.result()
    ledger = list(order.ledger)
    order.participants.recover("create-shipment")
    run_id = str(first.result_run_id)
    runs = [run_id]
    for task in workflow_tasks(await history(order, run_id))[1:]:
        newer = await reset(order, run_id=run_id, to=task)
        runs.append(newer)
        outcome = await outcome_of(order, newer)
        assert outcome.status is Status.COMPENSATED
        assert order.ledger == ledger
        assert order.participants.standing == []
        await replays(await history(order, newer))
        assert order.read_database.batches[-1].state == await order.state()
        await tell_alike(order, *runs)


async def test_a_reset_of_a_reset_replays(real_order: Order) -> None:
    order = real_order
    first = await order.place()
    await first.result()
    run_id = str(first.result_run_id)
    second = await reset(order, run_id=run_id, to=workflow_tasks(await history(order, run_id))[2])
    await outcome_of(order, second)
    runs = [run_id, second]
    for task in workflow_tasks(await history(order, second))[1::2]:
        third = await reset(order, run_id=second, to=task)
        runs.append(third)
        assert (await outcome_of(order, third)).status is Status.COMPLETED
        await replays(await history(order, third))
        await tell_alike(order, *runs)
    assert order.ledger == FORWARD


async def test_what_cannot_be_asked_again_is_stuck_and_undoes_nothing(real_order: Order) -> None:
    order = real_order
    first = await order.place()
    await first.result()
    run_id = str(first.result_run_id)
    order.participants.misunderstand("create-order")
    third = workflow_tasks(await history(order, run_id))[2]
    newer = await reset(order, run_id=run_id, to=third)
    await order.is_stuck()
    assert list((await order.state()).stuck) == ["create-order"]
    order.participants.recover("create-order")
    repair = Repair(by="ops", reason="mended", step="create-order", action=RepairAction.RETRY)
    await order.sagas.repair(order.saga_id, repair)
    assert (await outcome_of(order, newer)).status is Status.COMPLETED
    assert order.ledger == FORWARD
    await replays(await history(order, newer))


async def test_a_saga_reset_while_it_runs_goes_on(real_order: Order) -> None:
    order = real_order
    held = order.participants.hold("reserve-stock")
    first = await order.place()
    await held.reached.wait()
    run_id = str(first.result_run_id)
    newer = await reset(order, run_id=run_id, to=workflow_tasks(await history(order, run_id))[-1])
    held.release()
    assert (await outcome_of(order, newer)).status is Status.COMPLETED
    assert order.ledger == FORWARD


@pytest.mark.parametrize("held", ["charge-payment", "reserve-stock", "create-shipment"])
async def test_a_terminated_saga_is_recovered_by_the_same_keys(
    real_order: Order, held: str
) -> None:
    order = real_order
    step = order.participants.hold(held, after_effect=True)
    handle = await order.place()
    await step.reached.wait()
    with pytest.raises(NotRecoverable, match="still running"):
        await order.sagas.recover(order.saga_id, OPERATOR)
    await handle.terminate()
    order.participants.recover(held)

    reply = await order.sagas.recover(order.saga_id, OPERATOR)

    outcome = await order.env.client.get_workflow_handle_for(OrderSaga.run, order.saga_id).result()
    if held == "create-shipment":
        # What was sent counts: its answer was that the pivot is passed.
        assert not reply.accepted
        assert outcome.status is Status.COMPLETED
        assert order.ledger == FORWARD
    else:
        assert reply.accepted
        assert outcome.status is Status.COMPENSATED
        assert order.participants.standing == []
        # Nothing went forward in between.
        assert order.ledger[: FORWARD.index(held) + 1] == FORWARD[: FORWARD.index(held) + 1]
        assert FORWARD[FORWARD.index(held) + 1] not in order.participants.calls
    with pytest.raises(NotRecoverable, match="come to its outcome"):
        await order.sagas.recover(order.saga_id, OPERATOR)


async def test_what_had_not_begun_is_not_recovered(dev_server: WorkflowEnvironment) -> None:
    order = new_order(dev_server)
    with pytest.raises(NotRecoverable, match="on the server"):
        await order.sagas.recover(order.saga_id, OPERATOR)
    await (await order.place()).terminate()
    with pytest.raises(NotRecoverable, match="had not begun"):
        await order.sagas.recover(order.saga_id, OPERATOR)


async def test_a_recovery_that_is_cut_off_is_recovered_too(real_order: Order) -> None:
    order = real_order
    step = order.participants.hold("reserve-stock")
    handle = await order.place()
    await step.reached.wait()
    await handle.terminate()
    order.participants.recover("reserve-stock")
    undo = order.participants.hold("refund-payment")
    await order.sagas.recover(order.saga_id, OPERATOR)
    await undo.reached.wait()
    newest = order.env.client.get_workflow_handle_for(OrderSaga.run, order.saga_id)
    await newest.terminate()
    order.participants.recover("refund-payment")

    assert (await order.sagas.recover(order.saga_id, OPERATOR)).accepted
    with pytest.raises(NotRecoverable):
        await order.sagas.recover(order.saga_id, OPERATOR)

    outcome = await newest.result()
    assert outcome.status is Status.COMPENSATED
    assert order.participants.standing == []
    assert [name for name in order.ledger if name in UNDOS] == ["refund-payment", "cancel-order"]
    row = order.read_database.batches[-1].state
    assert row.status is Status.COMPENSATED
    assert row.started_at == order.read_database.batches[0].state.started_at
    await replays(await newest.fetch_history())


async def test_what_a_person_has_undone_is_not_undone_again_by_a_recovery(
    real_order: Order,
) -> None:
    order = real_order
    order.participants.refuse("reserve-stock")
    order.participants.refuse("refund-payment")
    last = order.participants.hold("cancel-order")
    handle = await order.place()
    await order.is_stuck()
    skip = Repair(by="ops", reason="refunded", step="refund-payment", action=RepairAction.SKIP)
    await order.sagas.repair(order.saga_id, skip)
    await last.reached.wait()
    await handle.terminate()
    order.participants.recover("refund-payment")
    order.participants.recover("cancel-order")
    asked = order.participants.calls.count("refund-payment")

    assert (await order.sagas.recover(order.saga_id, OPERATOR)).accepted

    outcome = await order.env.client.get_workflow_handle_for(OrderSaga.run, order.saga_id).result()
    assert outcome.status is Status.COMPENSATED
    assert order.participants.calls.count("refund-payment") == asked
    assert "refund-payment" not in order.ledger


@pytest.mark.parametrize("held", ["reserve-stock", "create-shipment"])
async def test_a_recovery_knows_what_was_sent_before_a_reset(real_order: Order, held: str) -> None:
    order = real_order
    step = order.participants.hold(held, after_effect=True)
    first = await order.place()
    await step.reached.wait()
    run_id = str(first.result_run_id)
    asked = order.participants.hold("create-order")
    newer = await reset(order, run_id=run_id, to=workflow_tasks(await history(order, run_id))[1])
    await asked.reached.wait()
    await order.env.client.get_workflow_handle(order.saga_id, run_id=newer).terminate()
    order.participants.recover(held)
    order.participants.recover("create-order")

    reply = await order.sagas.recover(order.saga_id, OPERATOR)

    outcome = await order.env.client.get_workflow_handle_for(OrderSaga.run, order.saga_id).result()
    if held == "create-shipment":
        assert not reply.accepted
        assert outcome.status is Status.COMPLETED
        assert order.ledger == FORWARD
    else:
        assert outcome.status is Status.COMPENSATED
        assert order.participants.standing == []


async def test_a_saga_without_a_pivot_that_had_completed_is_not_undone(
    dev_server: WorkflowEnvironment,
) -> None:
    agency, queue = Agency(), str(uuid4())
    sagas = Sagas(dev_server.client, queue)
    worker = Worker(
        dev_server.client, task_queue=queue, workflows=[TripSaga], activities=agency.activities
    )
    command = BookTrip(trip_id=queue, plan="flight only")
    async with worker:
        started = await sagas.start(TripSaga.kind, SagaInput(command=command))
        handle = dev_server.client.get_workflow_handle_for(TripSaga.run, started.saga_id)
        await handle.result()
    # Without a worker the newer run does nothing before it is terminated.
    description = await handle.describe()
    tasks = workflow_tasks(await handle.fetch_history())
    await dev_server.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=dev_server.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=description.run_id),
            reason="test",
            workflow_task_finish_event_id=tasks[-1],
            request_id=handle.id,
        )
    )
    await handle.terminate()
    assert not (await sagas.recover(handle.id, OPERATOR)).accepted
    async with Worker(
        dev_server.client, task_queue=queue, workflows=[TripSaga], activities=agency.activities
    ):
        assert (await handle.result()).status is Status.COMPLETED
    assert agency.ledger == ["book-flight"]
