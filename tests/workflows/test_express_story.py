"""A story is told twice in the express lane, and is held to what it said the first time."""

import asyncio
from datetime import datetime

import pytest
from temporalio import activity
from temporalio.api.enums.v1 import EventType

from contracts.commands import (
    ChargePayment,
    ConfirmOrder,
    CreateOrder,
    CreateShipment,
    PlaceOrder,
    ReserveStock,
)
from saga import Saga, Status
from tests.orders import FORWARD
from tests.workflows.express import Express, Handle, replays
from workflows.order import (
    OrderSaga,
    charge_payment,
    confirm_order,
    create_order,
    create_shipment,
    reserve_stock,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def until_it_fails(handle: Handle, told: str) -> None:
    """Wait for a workflow task that fails by what the story does."""
    while True:
        failures = [
            event.workflow_task_failed_event_attributes.failure.message
            async for event in handle.fetch_history_events()
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
        ]
        if failures:
            assert told in failures[0]
            return
        await asyncio.sleep(0.01)


async def test_its_time_stands_still_until_all_is_settled(
    express: Express, monkeypatch: pytest.MonkeyPatch
) -> None:
    times: dict[bool, list[datetime]] = {True: [], False: []}

    async def timed(_: OrderSaga, saga: Saga, order: PlaceOrder) -> None:
        mine = times[activity.in_activity()]
        mine.clear()
        mine.append(saga.now())
        await saga.step(create_order, CreateOrder.of(order))
        mine.append(saga.now())
        charge = ChargePayment.of(order)
        dated = charge.model_copy(update={"card_token": saga.now().isoformat()})
        await saga.step(charge_payment, dated)
        await saga.step(reserve_stock, ReserveStock.of(order))
        shipment = await saga.step(create_shipment, CreateShipment.of(order))
        mine.append(saga.now())
        await saga.step(
            confirm_order,
            ConfirmOrder(order_id=order.order_id, shipment_id=shipment.shipment_id),
        )

    monkeypatch.setattr(OrderSaga, "flow", timed)
    handle = await express.place()
    assert (await handle.result()).status is Status.COMPLETED
    # Not a step was asked for a second time.
    assert express.participants.calls == FORWARD
    started, lane, story = (await handle.describe()).start_time, times[True], times[False]
    assert lane == [started, started] == story[:2]
    assert story[2] > started
    await replays(handle)


async def test_one_that_asks_otherwise_than_in_its_lane_waits_for_a_fix(
    express: Express, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest, mended = OrderSaga.flow, asyncio.Event()

    async def wavering(it: OrderSaga, saga: Saga, order: PlaceOrder) -> None:
        if not (activity.in_activity() or mended.is_set()):
            order = order.model_copy(update={"card_token": "tok_other"})
        await honest(it, saga, order)

    monkeypatch.setattr(OrderSaga, "flow", wavering)
    handle = await express.place()
    await until_it_fails(handle, "charge-payment: the story asks otherwise than it did in its lane")
    mended.set()
    assert (await handle.result()).status is Status.COMPLETED
    assert express.order.ledger == FORWARD


async def test_one_that_leaves_out_what_its_lane_did_waits_for_a_fix(
    express: Express, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest, mended = OrderSaga.flow, asyncio.Event()

    async def shorter(it: OrderSaga, saga: Saga, order: PlaceOrder) -> None:
        if activity.in_activity() or mended.is_set():
            await honest(it, saga, order)
            return
        await saga.step(create_order, CreateOrder.of(order))
        await saga.step(charge_payment, ChargePayment.of(order))
        await saga.step(create_shipment, CreateShipment.of(order))

    monkeypatch.setattr(OrderSaga, "flow", shorter)
    handle = await express.place()
    await until_it_fails(handle, "the story does not ask for what its lane has done: ")
    assert "create-shipment" not in express.participants.calls
    mended.set()
    assert (await handle.result()).status is Status.COMPLETED
    assert express.order.ledger == FORWARD


async def test_one_that_ends_before_what_its_lane_did_waits_for_a_fix(
    express: Express, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest, mended = OrderSaga.flow, asyncio.Event()

    async def nothing(it: OrderSaga, saga: Saga, order: PlaceOrder) -> None:
        if activity.in_activity() or mended.is_set():
            await honest(it, saga, order)

    monkeypatch.setattr(OrderSaga, "flow", nothing)
    handle = await express.place()
    await until_it_fails(handle, "the story does not ask for what its lane has done: ")
    mended.set()
    assert (await handle.result()).status is Status.COMPLETED
    assert express.order.ledger == FORWARD


async def test_one_that_asks_for_a_patch_does_so_after_its_lane(
    express: Express, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[bool, list[bool]] = {True: [], False: []}

    async def patched(_: OrderSaga, saga: Saga, order: PlaceOrder) -> None:
        await saga.step(create_order, CreateOrder.of(order))
        asked[activity.in_activity()].append(saga.patched("newer"))
        await saga.step(charge_payment, ChargePayment.of(order))

    monkeypatch.setattr(OrderSaga, "flow", patched)
    handle = await express.place()
    assert (await handle.result()).status is Status.COMPLETED
    assert express.participants.calls == FORWARD[:2]
    assert asked[True] == []
    assert set(asked[False]) == {True}
    await replays(handle)
