"""An order that is cancelled at any moment, or is past its deadline, with skipped time."""

from datetime import timedelta

import pytest
from temporalio.client import WorkflowFailureError, WorkflowUpdateStage
from temporalio.exceptions import CancelledError

from saga import Cause, Status
from tests.orders import CUSTOMER, FORWARD, PIVOT, UNDOS, Order, done_and_undone
from workflows.order import OrderSaga

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("step", FORWARD[:-2])
async def test_cancel_inside_an_action_undoes_it_after_it_has_ended(
    order: Order, step: str
) -> None:
    held = order.participants.hold(step, after_effect=True)
    handle = await order.place()
    await held.reached.wait()
    reply = await order.cancel()
    assert reply.accepted
    outcome = await handle.result()
    assert (outcome.status, outcome.cause) == (Status.COMPENSATED, Cause.CANCELLED)
    assert order.ledger == done_and_undone(until=FORWARD[FORWARD.index(step) + 1])


@pytest.mark.parametrize("step", FORWARD[:-2])
async def test_an_action_that_outruns_the_cancel_is_undone(order: Order, step: str) -> None:
    held = order.participants.hold(step, deaf=True)
    handle = await order.place()
    await held.reached.wait()
    reply = await order.cancel()
    assert reply.accepted
    await order.env.sleep(0.2)
    assert not set(UNDOS) & set(order.participants.calls), "an undo overtook its action"
    held.release()
    outcome = await handle.result()
    assert (outcome.status, outcome.cause) == (Status.COMPENSATED, Cause.CANCELLED)
    assert order.ledger == done_and_undone(until=FORWARD[FORWARD.index(step) + 1])


async def test_cancel_between_attempts_of_an_action(order: Order) -> None:
    order.participants.away("charge-payment", attempts=10_000, retry_after=HOUR)
    handle = await order.place(deadline=timedelta(days=365))
    while "charge-payment" not in order.participants.calls:
        await order.env.sleep(0.05)
    assert (await order.cancel()).accepted
    outcome = await handle.result()
    assert (outcome.status, outcome.cause) == (Status.COMPENSATED, Cause.CANCELLED)
    assert order.ledger == ["create-order", "cancel-order"]


async def test_cancel_while_the_pivot_is_under_way_waits_for_its_answer(order: Order) -> None:
    held = order.participants.hold(PIVOT)
    handle = await order.place()
    await held.reached.wait()
    asked = await handle.start_update(OrderSaga.cancel, CUSTOMER, wait_for_stage=_ACCEPTED)
    held.release()
    reply = await asked.result()
    assert not reply.accepted
    assert "too late" in reply.message
    assert (await handle.result()).status is Status.COMPLETED
    assert order.ledger == FORWARD


async def test_cancel_while_the_pivot_is_refused_is_accepted(order: Order) -> None:
    held = order.participants.hold("reserve-stock")
    order.participants.refuse(PIVOT)
    handle = await order.place()
    await held.reached.wait()
    asked = await handle.start_update(OrderSaga.cancel, CUSTOMER, wait_for_stage=_ACCEPTED)
    held.release()
    assert (await asked.result()).accepted
    assert (await handle.result()).status is Status.COMPENSATED
    assert order.participants.standing == []


async def test_cancel_after_the_pivot_is_too_late(order: Order) -> None:
    held = order.participants.hold("confirm-order")
    handle = await order.place()
    await held.reached.wait()
    reply = await order.cancel()
    assert not reply.accepted
    held.release()
    assert (await handle.result()).status is Status.COMPLETED


async def test_cancel_twice_and_inside_an_undo(order: Order) -> None:
    held = order.participants.hold("reserve-stock")
    undoing = order.participants.hold("refund-payment")
    handle = await order.place()
    await held.reached.wait()
    assert (await order.cancel()).accepted
    held.release()
    await undoing.reached.wait()
    assert (await order.cancel()).accepted
    await handle.cancel()
    undoing.release()
    with pytest.raises(WorkflowFailureError) as closed:
        await handle.result()
    assert isinstance(closed.value.cause, CancelledError)
    state = await order.state()
    assert (state.status, state.cause) == (Status.COMPENSATED, Cause.CANCELLED)
    assert order.participants.standing == []
    assert order.read_database.batches[-1].state == state


@pytest.mark.parametrize("step", FORWARD[:-2])
async def test_a_cancel_by_temporals_own_means_compensates(order: Order, step: str) -> None:
    held = order.participants.hold(step, deaf=True)
    handle = await order.place()
    await held.reached.wait()
    before = (await order.state()).version
    await handle.cancel()
    while (await order.state()).version == before:
        await order.env.sleep(0.01)
    held.release()
    with pytest.raises(WorkflowFailureError) as closed:
        await handle.result()
    assert isinstance(closed.value.cause, CancelledError)
    assert (await order.state()).status is Status.COMPENSATED
    assert order.participants.standing == []
    assert order.read_database.batches[-1].state.status is Status.COMPENSATED


async def test_a_cancel_by_temporals_own_means_after_the_pivot_completes(order: Order) -> None:
    held = order.participants.hold("confirm-order")
    handle = await order.place()
    await held.reached.wait()
    await handle.cancel()
    held.release()
    assert (await handle.result()).status is Status.COMPLETED
    assert order.ledger == FORWARD


@pytest.mark.parametrize("step", FORWARD[:-2])
async def test_the_deadline_undoes_an_action_whose_answers_are_lost(
    order: Order, step: str
) -> None:
    order.participants.lose_answer(step, attempts=10_000)
    outcome = await (await order.place(deadline=timedelta(minutes=5))).result()
    assert (outcome.status, outcome.cause) == (Status.COMPENSATED, Cause.DEADLINE)
    assert order.ledger == done_and_undone(until=FORWARD[FORWARD.index(step) + 1])


async def test_the_deadline_stands_still_in_a_pause(order: Order) -> None:
    held = order.participants.hold("charge-payment")
    handle = await order.place(deadline=timedelta(minutes=5))
    await held.reached.wait()
    assert (await order.sagas.pause(order.saga_id, CUSTOMER)).accepted
    held.release()
    await order.env.sleep(timedelta(hours=2))
    assert (await order.state()).status is Status.PAUSED
    assert "reserve-stock" not in order.participants.calls
    await order.sagas.resume(order.saga_id, CUSTOMER)
    assert (await handle.result()).status is Status.COMPLETED


HOUR = timedelta(hours=1)
_ACCEPTED = WorkflowUpdateStage.ACCEPTED
