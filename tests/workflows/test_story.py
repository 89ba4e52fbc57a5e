"""What a story may do besides the order's: parallel steps, loops, caught refusals, mistakes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner

from contracts.commands import ChargePayment, CreateOrder, CreateShipment, PlaceOrder, ReserveStock
from saga import Cause, Saga, SagaOutcome, Status, StepRefused, StepStatus, StepUnanswered
from tests.orders import Order, new_order, working
from tests.workflows.caching import CACHES
from workflows.order import (
    OrderSaga,
    charge_payment,
    create_order,
    create_shipment,
    reserve_stock,
)

Flow = Callable[[OrderSaga, Saga, PlaceOrder], Awaitable[None]]
Place = Callable[[Flow], Awaitable[WorkflowHandle[OrderSaga, SagaOutcome]]]


@pytest_asyncio.fixture(loop_scope="session", params=CACHES)
async def order(
    request: pytest.FixtureRequest, time_skipping: WorkflowEnvironment
) -> AsyncIterator[Order]:
    """An order outside the sandbox, which would load the workflow's file anew."""
    unsandboxed = UnsandboxedWorkflowRunner()
    async with working(
        time_skipping, max_cached_workflows=request.param, workflow_runner=unsandboxed
    ) as order:
        yield order


@pytest.fixture
def place(order: Order, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Place the order with another story than its own."""

    async def with_flow(flow: Flow) -> WorkflowHandle[OrderSaga, SagaOutcome]:
        monkeypatch.setattr(OrderSaga, "flow", flow)
        return await order.place()

    return with_flow


async def beside(_: OrderSaga, saga: Saga, order: PlaceOrder) -> None:
    await saga.step(create_order, CreateOrder.of(order))
    await saga.parallel(
        saga.step(charge_payment, ChargePayment.of(order)),
        saga.step(reserve_stock, ReserveStock.of(order)),
    )
    await saga.step(create_shipment, CreateShipment.of(order))


async def test_parallel_steps_are_undone_in_reverse_of_their_start(
    order: Order, place: Place
) -> None:
    order.participants.refuse("create-shipment")
    outcome = await (await place(beside)).result()
    assert outcome.status is Status.COMPENSATED
    undone = [name for name in order.ledger if name in {"refund-payment", "release-stock"}]
    assert undone == ["release-stock", "refund-payment"]
    assert order.read_database.batches[-1].state == await order.state()


async def test_a_refused_member_lets_the_others_end_first(order: Order, place: Place) -> None:
    held = order.participants.hold("reserve-stock")
    order.participants.refuse("charge-payment")
    handle = await place(beside)
    await held.reached.wait()
    while not (await order.state()).errors:
        await order.env.sleep(0.01)
    assert "cancel-order" not in order.participants.calls
    held.release()
    assert (await handle.result()).status is Status.COMPENSATED
    assert order.ledger == ["create-order", "reserve-stock", "release-stock", "cancel-order"]


async def test_steps_that_a_story_left_running_end_before_any_undo(
    order: Order, place: Place
) -> None:
    async def careless(_: OrderSaga, saga: Saga, placed: PlaceOrder) -> None:
        await saga.step(create_order, CreateOrder.of(placed))
        await asyncio.gather(
            saga.step(reserve_stock, ReserveStock.of(placed)),
            saga.step(charge_payment, ChargePayment.of(placed)),
        )

    held = order.participants.hold("reserve-stock")
    order.participants.refuse("charge-payment")
    handle = await place(careless)
    await held.reached.wait()
    while not (await order.state()).errors:
        await order.env.sleep(0.01)
    assert "cancel-order" not in order.participants.calls
    held.release()
    assert (await handle.result()).status is Status.COMPENSATED
    assert order.participants.standing == []


async def test_a_step_in_a_loop_has_instances_with_keys_of_their_own(
    order: Order, place: Place
) -> None:
    async def twice(_: OrderSaga, saga: Saga, placed: PlaceOrder) -> None:
        for _count in range(2):
            await saga.step(charge_payment, ChargePayment.of(placed))
        await saga.step(create_shipment, CreateShipment.of(placed))

    order.participants.refuse("create-shipment")
    outcome = await (await place(twice)).result()
    assert list(outcome.steps) == ["charge-payment", "charge-payment~2", "create-shipment"]
    assert order.ledger == ["charge-payment"] * 2 + ["refund-payment"] * 2


async def test_a_caught_refusal_lets_the_story_go_another_way(order: Order, place: Place) -> None:
    async def without_stock(_: OrderSaga, saga: Saga, placed: PlaceOrder) -> None:
        try:
            await saga.step(reserve_stock, ReserveStock.of(placed))
        except StepRefused:
            await saga.step(create_shipment, CreateShipment.of(placed))

    order.participants.refuse("reserve-stock")
    assert (await (await place(without_stock)).result()).status is Status.COMPLETED
    assert order.ledger == ["create-shipment"]


async def test_a_story_that_hides_an_unanswered_call_compensates_all_the_same(
    order: Order, place: Place
) -> None:
    async def hiding(_: OrderSaga, saga: Saga, placed: PlaceOrder) -> None:
        try:
            await saga.step(charge_payment, ChargePayment.of(placed))
        except StepUnanswered:
            return

    order.participants.give_up("charge-payment", after_effect=True)
    outcome = await (await place(hiding)).result()
    assert (outcome.status, outcome.cause) == (Status.COMPENSATED, Cause.FAILED)
    assert outcome.failure is not None
    assert order.ledger == ["charge-payment", "refund-payment"]


async def test_the_deadline_goes_on_after_a_pivot_that_was_refused(
    order: Order, place: Place
) -> None:
    async def waiting(_: OrderSaga, saga: Saga, placed: PlaceOrder) -> None:
        await saga.step(create_order, CreateOrder.of(placed))
        try:
            await saga.step(create_shipment, CreateShipment.of(placed))
        except StepRefused:
            await saga.sleep(timedelta(days=30))

    order.participants.refuse("create-shipment")
    outcome = await (await place(waiting)).result()
    assert (outcome.status, outcome.cause) == (Status.COMPENSATED, Cause.DEADLINE)
    assert order.ledger == ["create-order", "cancel-order"]


async def test_a_cancel_ends_a_sleep(order: Order, place: Place) -> None:
    async def sleepy(_: OrderSaga, saga: Saga, placed: PlaceOrder) -> None:
        await saga.step(create_order, CreateOrder.of(placed))
        await saga.sleep(timedelta(days=30))

    handle = await place(sleepy)
    # The ledger knows it sooner than the workflow, and then this server fails the cancel's task.
    while (await order.state()).steps.get("create-order") is not StepStatus.DONE:
        await asyncio.sleep(0.01)
    assert (await order.cancel()).accepted
    assert (await handle.result()).cause is Cause.CANCELLED
    assert order.ledger == ["create-order", "cancel-order"]


async def test_a_pivot_beside_another_step_is_a_mistake_that_waits_for_a_fix(
    dev_server: WorkflowEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def wrong(_: OrderSaga, saga: Saga, placed: PlaceOrder) -> None:
        await saga.parallel(
            saga.step(charge_payment, ChargePayment.of(placed)),
            saga.step(create_shipment, CreateShipment.of(placed)),
        )

    monkeypatch.setattr(OrderSaga, "flow", wrong)
    failed = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
    async with working(dev_server, workflow_runner=UnsandboxedWorkflowRunner()) as order:
        handle = await order.place()
        while failed not in [event.event_type async for event in handle.fetch_history_events()]:
            await asyncio.sleep(0.01)
        assert "create-shipment" not in order.participants.calls
        await handle.terminate()


async def test_a_saga_cancelled_before_a_worker_saw_it_is_closed_and_told(
    time_skipping: WorkflowEnvironment,
) -> None:
    placed = new_order(time_skipping)
    handle = await placed.place()
    await handle.cancel()
    async with working(time_skipping, order=placed):
        with pytest.raises(WorkflowFailureError):
            await handle.result()
        assert (await placed.state()).status is Status.COMPENSATED
    assert placed.participants.calls == []
    assert placed.read_database.batches[-1].state.status is Status.COMPENSATED
