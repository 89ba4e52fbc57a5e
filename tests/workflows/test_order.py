"""The order saga, hour-long outages included, on the time-skipping server."""

import asyncio
from datetime import timedelta

import pytest
from temporalio.client import WorkflowUpdateFailedError

from saga import Cause, Repair, RepairAction, SagaState, Status, StepStatus
from tests.orders import FORWARD, PIVOT, UNDOS, Order, done_and_undone

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOUR = timedelta(hours=1)


async def test_an_order_completes(order: Order) -> None:
    outcome = await (await order.place()).result()
    assert outcome.status is Status.COMPLETED
    assert order.ledger == FORWARD
    last = order.read_database.batches[-1].state
    assert last == await order.state()
    assert (last.status, last.current_step, last.failure) == (Status.COMPLETED, None, None)
    positions = [event.position for batch in order.read_database.batches for event in batch.events]
    assert sorted(positions) == list(range(12))


@pytest.mark.parametrize("step", FORWARD[:-1])
async def test_a_refused_step_undoes_what_was_done(order: Order, step: str) -> None:
    order.participants.refuse(step)
    outcome = await (await order.place()).result()
    assert (outcome.status, outcome.cause) == (Status.COMPENSATED, Cause.FAILED)
    assert order.ledger == done_and_undone(until=step)
    assert outcome.failure is not None
    assert (outcome.failure.step, outcome.failure.type) == (step, f"urn:problem:{step}")
    assert outcome.steps[step] is StepStatus.REFUSED
    assert order.participants.standing == []


@pytest.mark.parametrize("step", FORWARD)
async def test_an_outage_of_hours_is_outlasted(order: Order, step: str) -> None:
    attempts = 3 if step != PIVOT else 0
    order.participants.away(step, attempts=attempts, retry_after=HOUR)
    started = await order.env.get_current_time()
    outcome = await (await order.place(deadline=timedelta(days=365))).result()
    assert outcome.status is Status.COMPLETED
    assert order.ledger == FORWARD
    assert await order.env.get_current_time() - started >= attempts * HOUR


async def stuck(order: Order) -> SagaState:
    while (state := await order.state()).status is not Status.STUCK:
        await order.env.sleep(0.05)
    return state


@pytest.mark.parametrize("step", FORWARD)
async def test_a_bug_is_tried_again_slowly_and_refunds_nobody(order: Order, step: str) -> None:
    order.participants.have_a_bug(step, attempts=3)
    started = await order.env.get_current_time()
    outcome = await (await order.place(deadline=timedelta(minutes=2))).result()
    assert outcome.status is Status.COMPLETED
    assert await order.env.get_current_time() - started >= timedelta(minutes=1 + 2 + 3)
    assert order.ledger == FORWARD


@pytest.mark.parametrize("step", FORWARD)
async def test_a_misconfiguration_is_stuck_past_the_deadline_and_undoes_nothing(
    order: Order, step: str
) -> None:
    order.participants.misunderstand(step)
    handle = await order.place(deadline=timedelta(minutes=2))
    state = await stuck(order)
    assert state.stuck[step].type == "Misconfiguration"
    await order.env.sleep(timedelta(minutes=5))
    assert (await order.state()).status is Status.STUCK
    assert not set(UNDOS) & set(order.participants.calls)
    order.participants.recover(step)
    await order.sagas.repair(order.saga_id, _repair(step, RepairAction.RETRY))
    assert (await handle.result()).status is Status.COMPLETED
    assert (await order.state()).stuck == {}
    assert order.ledger == FORWARD


@pytest.mark.parametrize("step", FORWARD[:-1])
async def test_a_misconfigured_step_can_be_cancelled_and_not_skipped(
    order: Order, step: str
) -> None:
    order.participants.misunderstand(step)
    handle = await order.place()
    await stuck(order)
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await order.sagas.repair(order.saga_id, _repair(step, RepairAction.SKIP))
    assert "cancel the saga instead" in str(refused.value.cause)
    assert (await order.cancel()).accepted
    outcome = await handle.result()
    assert (outcome.status, outcome.cause) == (Status.COMPENSATED, Cause.CANCELLED)
    assert order.participants.standing == []
    assert order.read_database.batches[-1].state == await order.state()


async def test_a_repair_while_it_is_tried_again_is_refused_and_not_lost(order: Order) -> None:
    order.participants.misunderstand("charge-payment")
    handle = await order.place()
    await stuck(order)
    held = order.participants.hold("charge-payment")
    retry = _repair("charge-payment", RepairAction.RETRY)
    assert (await order.sagas.repair(order.saga_id, retry)).accepted
    await held.reached.wait()
    with pytest.raises(WorkflowUpdateFailedError):
        await order.sagas.repair(order.saga_id, retry)
    held.release()
    assert (await handle.result()).status is Status.COMPLETED


async def test_a_misconfigured_undo_is_tried_again_by_itself(order: Order) -> None:
    order.participants.refuse(PIVOT)
    order.participants.have_a_bug("refund-payment", attempts=2)
    assert (await (await order.place()).result()).status is Status.COMPENSATED
    assert order.ledger == done_and_undone(until=PIVOT)


@pytest.mark.parametrize("step", FORWARD[:-1])
async def test_a_lost_answer_has_one_effect(order: Order, step: str) -> None:
    order.participants.lose_answer(step)
    outcome = await (await order.place()).result()
    assert outcome.status is Status.COMPLETED
    assert order.ledger == FORWARD


async def test_a_pivot_without_an_answer_is_asked_for_and_goes_on(order: Order) -> None:
    order.participants.give_up(PIVOT, after_effect=True)
    outcome = await (await order.place()).result()
    assert outcome.status is Status.COMPLETED
    assert order.ledger == FORWARD


async def test_a_pivot_that_did_not_happen_is_undone_all_the_same(order: Order) -> None:
    order.participants.give_up(PIVOT)
    outcome = await (await order.place()).result()
    assert (outcome.status, outcome.cause) == (Status.COMPENSATED, Cause.FAILED)
    assert order.ledger == FORWARD[:3] + UNDOS[::-1][1:]
    # It may still arrive: its key is barred.
    assert UNDOS[-1] in order.participants.calls


async def test_a_pivot_that_nobody_can_tell_of_waits_for_a_person(order: Order) -> None:
    order.participants.give_up(PIVOT, after_effect=True)
    order.participants.give_up("find-shipment")
    handle = await order.place()
    while not (state := await order.state()).stuck:
        await asyncio.sleep(0.02)
    assert state.stuck[PIVOT].step == "find-shipment"
    order.participants.recover("find-shipment")
    assert (await order.cancel()).accepted
    assert (await handle.result()).cause is Cause.CANCELLED
    assert order.ledger == FORWARD[:4] + UNDOS[::-1]


async def test_an_undo_that_gave_up_is_stuck_until_repaired(order: Order) -> None:
    order.participants.refuse(PIVOT)
    order.participants.give_up("refund-payment")
    handle = await order.place()
    state = await stuck(order)
    assert list(state.stuck) == ["charge-payment"]
    assert state.current_step == "refund-payment"
    assert "cancel-order" not in order.participants.calls
    with pytest.raises(WorkflowUpdateFailedError):
        await order.sagas.repair(order.saga_id, _repair("release-stock", RepairAction.RETRY))
    order.participants.recover("refund-payment")
    await order.sagas.repair(order.saga_id, _repair("refund-payment", RepairAction.RETRY))
    outcome = await handle.result()
    assert outcome.status is Status.COMPENSATED
    assert order.ledger == done_and_undone(until=PIVOT)
    assert [error.step for error in outcome.errors][:2] == [PIVOT, "refund-payment"]
    assert outcome.failure == outcome.errors[0]


async def test_a_refused_undo_is_stuck_and_can_be_skipped(order: Order) -> None:
    order.participants.refuse(PIVOT)
    order.participants.refuse("refund-payment")
    handle = await order.place()
    await stuck(order)
    await order.sagas.repair(order.saga_id, _repair("refund-payment", RepairAction.SKIP))
    outcome = await handle.result()
    assert outcome.status is Status.COMPENSATED
    assert outcome.steps["charge-payment"] is StepStatus.SKIPPED
    assert order.participants.standing == ["charge-payment"]


async def test_a_refusal_after_the_pivot_is_stuck_and_never_lost(order: Order) -> None:
    order.participants.refuse("confirm-order")
    handle = await order.place()
    state = await stuck(order)
    assert list(state.stuck) == ["confirm-order"]
    assert order.ledger == FORWARD[:-1]
    order.participants.recover("confirm-order")
    await order.sagas.repair(order.saga_id, _repair("confirm-order", RepairAction.RETRY))
    assert (await handle.result()).status is Status.COMPLETED
    assert order.ledger == FORWARD


async def test_the_outcome_is_told_while_the_read_database_is_away(order: Order) -> None:
    order.read_database.away = True
    handle = await order.place()
    while not (await order.state()).status.final:
        await order.env.sleep(0.05)
    assert (await handle.describe()).close_time is None
    order.read_database.away = False
    assert (await handle.result()).status is Status.COMPLETED
    assert order.read_database.batches[-1].state.status is Status.COMPLETED


def _repair(step: str, action: RepairAction) -> Repair:
    return Repair(by="ops", reason="called the bank", step=step, action=action)
