"""Nothing ends or holds an express order before all that a lane of it can have called is known."""

import asyncio
from datetime import timedelta

import pytest
from temporalio.api.enums.v1 import EventType

from saga import Cause, Lane, Repair, RepairAction, Status, read_saga
from tests.orders import CUSTOMER, FORWARD, UNDOS
from tests.workflows.express import Express, Handle, lose_a_lane, replays, told
from workflows.order import OrderSaga

pytestmark = pytest.mark.asyncio(loop_scope="session")

LANE = FORWARD[:3]


async def attempts(express: Express, name: str, count: int) -> None:
    """Wait until a participant was asked so often."""
    while express.participants.calls.count(name) < count:
        await asyncio.sleep(0.01)


async def is_under_way(handle: Handle) -> None:
    """Wait until the saga's workflow has an update."""
    accepted = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED
    while accepted not in [event.event_type async for event in handle.fetch_history_events()]:
        await asyncio.sleep(0.01)


async def without_its_lane(express: Express, monkeypatch: pytest.MonkeyPatch) -> Handle:
    """An order whose lane was lost after the payment, which is asked for again and again since."""
    lost = lose_a_lane(express, monkeypatch)
    handle = await express.place()
    await lost.wait()
    await attempts(express, "charge-payment", 3)
    return handle


async def test_what_a_lane_gave_up_is_on_record_before_a_cancel_ends_it(express: Express) -> None:
    """The workflow task is so short that the cancel comes in the middle of the lane."""
    held = express.participants.hold("charge-payment")
    handle = await express.place(task_timeout=timedelta(seconds=1))
    await held.reached.wait()
    assert (await express.sagas.cancel(handle.id, CUSTOMER)).accepted
    held.release()
    assert (await handle.result()).status is Status.COMPENSATED
    assert (3, "StepStarted", "charge-payment", "do") in await told(express.order)
    assert express.participants.standing == []
    await replays(handle)


@pytest.mark.parametrize("deaf", [True, pytest.param(False, marks=pytest.mark.long)])
async def test_a_cancel_finds_what_a_slow_participant_does_later(
    express: Express, deaf: bool
) -> None:
    held = express.participants.hold("reserve-stock", deaf=deaf)
    handle = await express.place()
    await held.reached.wait()
    cancelling = asyncio.create_task(express.sagas.cancel(handle.id, CUSTOMER))
    # The lane gives it up and the story asks for it again, under what is held still.
    while express.participants.calls.count("reserve-stock") < 2:
        await asyncio.sleep(0.01)
    held.release()
    assert (await cancelling).accepted
    outcome = await handle.result()
    assert (outcome.status, outcome.cause) == (Status.COMPENSATED, Cause.CANCELLED)
    assert express.participants.standing == []
    await replays(handle)


@pytest.mark.parametrize("by_timeout", [False, pytest.param(True, marks=pytest.mark.long)])
async def test_a_lane_that_was_lost_may_have_gone_further(
    express: Express, monkeypatch: pytest.MonkeyPatch, by_timeout: bool
) -> None:
    """The first lane does all, and is lost; the next one comes as far as a payment that is away."""
    participants, lost = (
        express.participants,
        lose_a_lane(express, monkeypatch, by_timeout=by_timeout),
    )
    handle = await express.place(task_timeout=timedelta(seconds=1) if by_timeout else None)
    await lost.wait()
    assert participants.ledger == LANE
    cancelling = asyncio.create_task(express.sagas.cancel(handle.id, CUSTOMER))
    await attempts(express, "charge-payment", 4)
    refunds = participants.calls.count("refund-payment")
    participants.recover("charge-payment")
    assert (await cancelling).accepted
    assert (await handle.result()).status is Status.COMPENSATED
    assert refunds == 0
    assert participants.standing == []


async def test_a_pause_holds_it_only_when_all_is_known(
    express: Express, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = await without_its_lane(express, monkeypatch)
    pausing = asyncio.create_task(express.sagas.pause(handle.id, CUSTOMER))
    await is_under_way(handle)
    assert not (await express.order.state()).paused
    express.participants.recover("charge-payment")
    assert (await pausing).accepted
    events = [(event_type, step) for _, event_type, step, _ in await told(express.order)]
    assert events[-2:] == [("InventoryReserved", "reserve-stock"), ("SagaPaused", None)]
    # It is held before the pivot, and who cancels it now need not wait for anything.
    reply = await express.sagas.cancel(handle.id, CUSTOMER)
    assert (reply.accepted, reply.message) == (True, "the saga will be undone when it is resumed")
    assert express.participants.standing == LANE
    assert (await express.sagas.resume(handle.id, CUSTOMER)).accepted
    assert (await handle.result()).status is Status.COMPENSATED
    assert express.participants.standing == []
    assert "create-shipment" not in express.participants.calls
    await replays(handle)


async def test_a_pause_while_a_participant_is_slow_holds_it_before_the_next_step(
    express: Express,
) -> None:
    held = express.participants.hold("charge-payment")
    handle = await express.place()
    await attempts(express, "charge-payment", 2)
    # The first lane of all has told how far it came: nothing else is to be known.
    assert (await express.sagas.pause(handle.id, CUSTOMER)).accepted
    held.release()
    while "charge-payment" not in express.participants.ledger:
        await asyncio.sleep(0.01)
    assert (await express.order.state()).paused
    assert "reserve-stock" not in express.participants.calls
    assert (await express.sagas.resume(handle.id, CUSTOMER)).accepted
    assert (await handle.result()).status is Status.COMPLETED
    assert express.order.ledger == FORWARD
    await replays(handle)


async def test_the_deadline_ends_it_only_when_all_is_known(
    express: Express, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = lose_a_lane(express, monkeypatch)
    handle = await express.place(deadline=timedelta(milliseconds=300))
    await lost.wait()
    # The pauses between them are longer than the deadline, all together.
    await attempts(express, "charge-payment", 5)
    hold = express.participants.hold("create-shipment")
    express.participants.recover("charge-payment")
    await hold.reached.wait()
    assert express.participants.standing == LANE
    hold.release()
    assert (await handle.result()).status is Status.COMPLETED
    await replays(handle)


async def test_what_is_refused_at_last_has_stopped_every_lane(
    express: Express, monkeypatch: pytest.MonkeyPatch
) -> None:
    express.participants.away("charge-payment", attempts=1000)
    handle = await without_its_lane(express, monkeypatch)
    express.participants.refuse("charge-payment")
    outcome = await handle.result()
    assert (outcome.status, outcome.cause) == (Status.COMPENSATED, Cause.FAILED)
    assert express.participants.standing == []
    await replays(handle)


async def test_what_is_refused_to_one_lane_is_refused_to_all(
    express: Express, monkeypatch: pytest.MonkeyPatch
) -> None:
    express.participants.refuse("charge-payment")
    lost = lose_a_lane(express, monkeypatch, then_away=False)
    handle = await express.place()
    assert (await handle.result()).status is Status.COMPENSATED
    assert lost.is_set()
    history = await read_saga(express.order.env.client, handle.id)
    assert history is not None
    assert history.runs[-1].settled


async def test_what_fails_otherwise_waits_for_a_person_and_nothing_is_undone(
    express: Express, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else what the lost lane did after it would stay."""
    handle = await without_its_lane(express, monkeypatch)
    express.participants.give_up("charge-payment")
    while (await express.order.state()).status is Status.RUNNING:
        await asyncio.sleep(0.01)
    assert (await express.order.state()).status is Status.STUCK
    assert express.participants.standing == LANE
    express.participants.recover("charge-payment")
    retry = Repair(by="ops", reason="it is back", step="charge-payment", action=RepairAction.RETRY)
    assert (await express.sagas.repair(handle.id, retry)).accepted
    assert (await handle.result()).status is Status.COMPLETED
    assert express.order.ledger == FORWARD
    await replays(handle)


@pytest.mark.parametrize(
    "held", ["charge-payment", pytest.param("create-shipment", marks=pytest.mark.long)]
)
async def test_what_is_terminated_is_recovered(express: Express, held: str) -> None:
    step = express.participants.hold(held, after_effect=True)
    handle = await express.place()
    await step.reached.wait()
    await handle.terminate()
    express.participants.recover(held)
    step.release()
    reply = await express.sagas.recover(handle.id, CUSTOMER)
    assert reply.accepted is (held == "charge-payment")
    outcome = await express.order.env.client.get_workflow_handle_for(
        OrderSaga.run, handle.id
    ).result()
    if reply.accepted:
        assert outcome.status is Status.COMPENSATED
        assert express.participants.standing == []
    else:
        assert outcome.status is Status.COMPLETED


async def recovered(express: Express, handle: Handle) -> list[str]:
    """Have a saga that was ended from outside undone, and what that has asked for."""
    before = len(express.participants.calls)
    assert (await express.sagas.recover(handle.id, CUSTOMER)).accepted
    newest = express.order.env.client.get_workflow_handle_for(OrderSaga.run, handle.id)
    assert (await newest.result()).status is Status.COMPENSATED
    assert express.participants.standing == []
    return express.participants.calls[before:]


async def test_what_a_lost_lane_did_is_recovered(
    express: Express, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = await without_its_lane(express, monkeypatch)
    await handle.terminate()
    express.participants.recover("charge-payment")
    assert "release-stock" in await recovered(express, handle)


@pytest.mark.parametrize("lane", Lane)
async def test_a_recovery_asks_nothing_again_when_all_is_told(express: Express, lane: Lane) -> None:
    held = express.participants.hold("charge-payment")
    handle = await express.place(lane)
    await attempts(express, "charge-payment", 2 if lane is Lane.EXPRESS else 1)
    await handle.terminate()
    held.release()
    express.participants.recover("charge-payment")
    assert set(await recovered(express, handle)) <= set(UNDOS)


async def test_a_recovery_asks_nothing_again_when_it_was_being_undone(
    express: Express, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = await without_its_lane(express, monkeypatch)
    cancelling = asyncio.create_task(express.sagas.cancel(handle.id, CUSTOMER))
    await is_under_way(handle)
    held = express.participants.hold("refund-payment")
    express.participants.recover("charge-payment")
    await held.reached.wait()
    assert (await cancelling).accepted
    await handle.terminate()
    held.release()
    express.participants.recover("refund-payment")
    assert set(await recovered(express, handle)) <= set(UNDOS)
