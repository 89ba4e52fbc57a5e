"""Services that lose answers, are away or turn us down: what is retried, and what is not."""

import pytest
from temporalio.api.activity.v1 import ActivityOptions
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import UpdateActivityOptionsRequest

from contracts.commands import PlaceOrder
from saga import Cause, Repair, RepairAction, SagaState, Status
from tests.integration.checks import STEPS, check_completed, check_undone
from tests.integration.processes import eventually
from tests.integration.stage import Handle, Stage, an_order

pytestmark = pytest.mark.parametrize("long_stage", ["postgresql"], indirect=True)


@pytest.mark.parametrize("step", STEPS)
async def test_a_lost_answer_is_asked_for_again(stage: Stage, step: str) -> None:
    order = an_order(await stage.shops.stock(10))
    await stage.shops.fault(step, drop_after_commit=1)
    await stage.end(order)
    assert await stage.shops.drops_left(step) == 0
    await check_completed(stage, order)


async def test_an_outage_is_waited_for(stage: Stage) -> None:
    order = an_order(await stage.shops.stock(10))
    await stage.shops.fault("charge-payment", outage_seconds=1.0)
    outcome = await stage.end(order)
    assert outcome.errors == ()
    await check_completed(stage, order)


async def misconfigured(stage: Stage, order: PlaceOrder, status: int) -> Handle:
    """An order held at its payment by a service that will not take the call from us."""
    await stage.shops.fault("charge-payment", outage_seconds=3600, status=status)
    handle = await stage.place(order)

    async def stuck() -> SagaState | None:
        state = await stage.state(handle)
        return state if state.status is Status.STUCK else None

    failure = (await eventually(stuck)).stuck["charge-payment"]
    assert failure.type == "Misconfiguration"
    assert str(status) in failure.message
    assert stage.shops.books.of(order.order_id) == {"order": "pending"}
    return handle


async def test_a_misconfiguration_waits_for_whoever_mends_it(stage: Stage) -> None:
    order = an_order(await stage.shops.stock(10))
    handle = await misconfigured(stage, order, 401)
    await stage.shops.heal()
    repair = Repair(by="ops", reason="mended", step="charge-payment", action=RepairAction.RETRY)
    assert (await stage.sagas.repair(handle.id, repair)).accepted
    await stage.closed(handle)
    await check_completed(stage, order)


async def test_a_misconfigured_order_can_be_cancelled(stage: Stage) -> None:
    order = an_order(await stage.shops.stock(10))
    handle = await misconfigured(stage, order, 404)
    assert (await stage.cancel(handle)).accepted
    await stage.closed(handle)
    await check_undone(stage, order, Cause.CANCELLED, {"order": "cancelled", "payment": "void"})


async def test_a_shipment_that_nobody_heard_of_is_asked_for(stage: Stage) -> None:
    order = an_order(await stage.shops.stock(10))
    await stage.shops.fault("create-shipment", drop_after_commit=1000)
    handle = await stage.place(order)

    async def tried_again() -> bool:
        pending = await stage.pending(handle, "create-shipment")
        return pending is not None and pending.attempt > 1

    await eventually(tried_again)
    assert stage.shops.books.of(order.order_id)["shipment"] == "created"
    await limit(stage, handle, "create-shipment", milliseconds=1000)
    outcome = await stage.closed(handle)
    assert outcome.status is Status.COMPLETED
    assert [error.step for error in outcome.errors] == ["create-shipment"]
    await check_completed(stage, order)


async def limit(stage: Stage, handle: Handle, activity_id: str, *, milliseconds: int) -> None:
    """Shorten a step's time limit from outside, as an operator may."""
    options = ActivityOptions()
    options.schedule_to_close_timeout.FromMilliseconds(milliseconds)
    request = UpdateActivityOptionsRequest(
        namespace=stage.client.namespace,
        execution=WorkflowExecution(workflow_id=handle.id),
        id=activity_id,
        activity_options=options,
    )
    request.update_mask.FromJsonString("scheduleToCloseTimeout")
    await stage.client.workflow_service.update_activity_options(request)
