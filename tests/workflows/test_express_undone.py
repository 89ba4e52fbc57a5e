"""An express order that is refused is undone shortly: the first undo on record, the others here."""

import asyncio
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.testing import WorkflowEnvironment

from saga import Cause, Lane, Repair, RepairAction, Status
from saga.envelope import Call
from saga.lane import InExpress
from saga.steps import AnyActivity, Policy
from tests.orders import CUSTOMER, FORWARD, PIVOT, UNDOS, done_and_undone
from tests.workflows.express import Express, Handle, replays, told

pytestmark = pytest.mark.asyncio(loop_scope="session")

FIRST, SECOND, LAST = UNDOS[2::-1]
"""The undos of an order whose pivot is refused, in their order."""


async def activities(handle: Handle) -> list[str]:
    """The ids of the activities that the server has on record."""
    scheduled = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    return [
        event.activity_task_scheduled_event_attributes.activity_id
        async for event in handle.fetch_history_events()
        if event.event_type == scheduled
    ]


@pytest.mark.parametrize("step", ["create-order", "charge-payment", PIVOT])
async def test_what_is_refused_is_undone_shortly_and_told_as_stepwise(
    express: Express, dev_server: WorkflowEnvironment, step: str
) -> None:
    express.participants.refuse(step)
    handle = await express.place()
    outcome = await handle.result()
    assert (outcome.status, outcome.cause) == (Status.COMPENSATED, Cause.FAILED)
    assert express.order.ledger == done_and_undone(until=step)
    # The search attributes that a client would have given are the workflow's own here.
    assert len((await handle.fetch_history()).events) <= 25 + 2
    assert await activities(handle) == [
        step,
        *done_and_undone(until=step)[FORWARD.index(step) :][:1],
    ]
    [batch] = express.order.read_database.batches
    assert batch.state == await express.order.state()
    await replays(handle)
    other = Express(dev_server)
    other.participants.refuse(step)
    saga, rows = other.workers()
    async with saga, rows:
        await (await other.place(Lane.STEPWISE)).result()
        assert await told(other.order) == await told(express.order)


async def test_that_it_is_undone_is_on_record_before_anything_is(express: Express) -> None:
    express.participants.refuse(PIVOT)
    held = express.participants.hold(FIRST)
    handle = await express.place()
    await held.reached.wait()
    assert await activities(handle) == [PIVOT, FIRST]
    assert "CompensationStarted" in [it[1] for it in await told(express.order)]
    held.release()
    assert (await handle.result()).status is Status.COMPENSATED
    assert express.order.ledger == done_and_undone(until=PIVOT)


@pytest.mark.parametrize("undo", [SECOND, LAST])
async def test_an_undo_whose_worker_is_lost_is_made_again(
    express: Express, monkeypatch: pytest.MonkeyPatch, undo: str
) -> None:
    local, lost = InExpress._local, list[str]()

    async def losing(
        host: InExpress, activity: AnyActivity, call: Call[Any], policy: Policy
    ) -> object:
        answer = await local(host, activity, call, policy)
        if call.name == undo and not lost:
            lost.append(undo)
            raise RuntimeError("the worker is lost")
        return answer

    monkeypatch.setattr(InExpress, "_local", losing)
    express.participants.refuse(PIVOT)
    handle = await express.place()
    assert (await handle.result()).status is Status.COMPENSATED
    assert express.participants.calls.count(undo) == 2
    assert express.order.ledger == done_and_undone(until=PIVOT)
    await replays(handle)


@pytest.mark.parametrize("undo", [FIRST, SECOND, LAST])
async def test_an_undo_that_finds_nobody_holds_up_the_others_and_is_tried_as_in_any_saga(
    express: Express, undo: str
) -> None:
    express.participants.refuse(PIVOT)
    express.participants.lose_answer(undo, attempts=1)
    handle = await express.place()
    assert (await handle.result()).status is Status.COMPENSATED
    assert express.order.ledger == done_and_undone(until=PIVOT)
    undos = [it for it in express.participants.calls if it in UNDOS]
    assert undos == sorted(undos, key=[FIRST, SECOND, LAST].index)
    assert undos.count(undo) > 1
    assert express.order.read_database.batches[-1].state == await express.order.state()
    await replays(handle)


@pytest.mark.parametrize("undo", [FIRST, SECOND])
async def test_an_undo_that_is_refused_is_stuck_and_shown(express: Express, undo: str) -> None:
    express.participants.refuse(PIVOT)
    express.participants.refuse(undo)
    handle = await express.place()
    await express.order.is_stuck()
    assert LAST not in express.participants.calls
    express.participants.recover(undo)
    repair = Repair(by="ops", reason="called them", step=undo, action=RepairAction.RETRY)
    assert (await express.sagas.repair(handle.id, repair)).accepted
    assert (await handle.result()).status is Status.COMPENSATED
    assert express.order.ledger == done_and_undone(until=PIVOT)
    await replays(handle)


async def test_a_pause_holds_the_next_undo(express: Express) -> None:
    express.participants.refuse(PIVOT)
    held = express.participants.hold(FIRST)
    handle = await express.place()
    await held.reached.wait()
    assert (await express.sagas.pause(handle.id, CUSTOMER)).accepted
    held.release()
    while not express.order.read_database.batches:
        await asyncio.sleep(0.01)
    assert express.order.read_database.batches[-1].state.status is Status.PAUSED
    while (await express.order.state()).steps["reserve-stock"] != "undone":
        await asyncio.sleep(0.01)
    assert SECOND not in express.participants.calls
    assert (await express.sagas.resume(handle.id, CUSTOMER)).accepted
    assert (await handle.result()).status is Status.COMPENSATED
    assert express.order.ledger == done_and_undone(until=PIVOT)
    await replays(handle)


async def test_a_cancel_of_what_is_being_undone_changes_nothing(express: Express) -> None:
    express.participants.refuse(PIVOT)
    held = express.participants.hold(FIRST)
    handle = await express.place()
    await held.reached.wait()
    assert (await express.sagas.cancel(handle.id, CUSTOMER)).accepted
    held.release()
    outcome = await handle.result()
    assert (outcome.status, outcome.cause) == (Status.COMPENSATED, Cause.FAILED)
    assert express.order.ledger == done_and_undone(until=PIVOT)
    await replays(handle)
