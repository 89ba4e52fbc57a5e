"""A saga that was ended from outside is recovered by another run: by the same keys, and once."""

from uuid import uuid4

import pytest
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from saga import (
    NotRecoverable,
    Repair,
    RepairAction,
    Request,
    SagaInput,
    Sagas,
    Status,
)
from tests.agency import Agency
from tests.orders import FORWARD, UNDOS, Order, new_order
from tests.resets import reset_run, workflow_tasks
from tests.trips import BookTrip, TripSaga
from tests.workflows.resetting import history, replays, reset
from workflows.order import OrderSaga

pytestmark = pytest.mark.asyncio(loop_scope="session")

OPERATOR = Request(by="op", reason="it was ended by mistake")


@pytest.mark.parametrize(
    "held",
    [pytest.param("charge-payment", marks=pytest.mark.long), "reserve-stock", "create-shipment"],
)
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


@pytest.mark.parametrize(
    "held", [pytest.param("reserve-stock", marks=pytest.mark.long), "create-shipment"]
)
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
    tasks = workflow_tasks(await handle.fetch_history())
    await reset_run(dev_server.client, handle.id, to=tasks[-1])
    await handle.terminate()
    assert not (await sagas.recover(handle.id, OPERATOR)).accepted
    async with Worker(
        dev_server.client, task_queue=queue, workflows=[TripSaga], activities=agency.activities
    ):
        assert (await handle.result()).status is Status.COMPLETED
    assert agency.ledger == ["book-flight"]
