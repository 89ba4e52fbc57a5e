"""Resets on a real server: a newer run tells the story, and what was undone stays undone."""

import pytest

from saga import Repair, RepairAction, Status
from tests.orders import FORWARD, Order
from tests.resets import workflow_tasks
from tests.workflows.resetting import history, outcome_of, replays, reset, tell_alike

pytestmark = pytest.mark.asyncio(loop_scope="session")


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


@pytest.mark.long
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
