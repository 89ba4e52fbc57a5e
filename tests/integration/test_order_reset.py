"""Orders that someone resets: the services are asked again by key, and nothing happens twice."""

import pytest
from temporalio.api.enums.v1 import EventType

from read_model.event_store import EventStore
from read_model.projector import row_of
from saga import Cause, Status, fold, read_saga, told_last
from tests.integration.checks import check_completed, check_undone
from tests.integration.stage import NOWHERE, Handle, Stage, an_order
from tests.resets import reset_run
from workflows.order import OrderSaga

UNDONE = {"order": "cancelled", "payment": "refunded", "reservation": "released"}


async def reset(stage: Stage, handle: Handle) -> Handle:
    """Reset an order to where its stock had been reserved; the new run."""
    history = await handle.fetch_history()
    task = next(
        event.activity_task_scheduled_event_attributes.workflow_task_completed_event_id
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
        and event.activity_task_scheduled_event_attributes.activity_id == "create-shipment"
    )
    run_id = await reset_run(stage.client, handle.id, to=task, run_id=handle.result_run_id or "")
    return stage.client.get_workflow_handle_for(OrderSaga.run, handle.id, run_id=run_id)


@pytest.mark.parametrize("ship_to", ["1 Main St, Springfield", NOWHERE], ids=["done", "undone"])
async def test_a_reset_order_ends_as_it_did_and_both_runs_are_readable(
    stage: Stage, ship_to: str
) -> None:
    order = an_order(await stage.shops.stock(10), ship_to=ship_to)
    handle = await stage.place(order)
    first = await stage.closed(handle)
    before = await stage.row(order)
    assert before is not None

    again = await stage.closed(await reset(stage, handle))

    assert again.status is first.status
    if first.status is Status.COMPLETED:
        await check_completed(stage, order)
    else:
        assert stage.shops.books.versions(order.order_id) == (2, 2, 2, 0)
        await check_undone(stage, order, Cause.FAILED, UNDONE)
    row = await stage.row(order)
    told = await read_saga(stage.client, handle.id)
    assert row is not None
    assert told is not None
    assert told.state is not None
    assert row.epoch > before.epoch
    assert row.model_dump() == row_of(told.state).model_dump()
    older, newer = told.runs
    assert fold(older.events).status is first.status
    assert row_of(fold(older.events)).model_dump() == before.model_dump()
    assert newer.events == told.events
    abandoned = {it.event_id for it in older.events} - {it.event_id for it in newer.events}
    assert abandoned
    kept = await EventStore(stage.reader).events_of(handle.id)
    assert [it.event_id for it in kept] == [it.event_id for it in told.all_events]
    assert tuple(told_last(kept)) == told.events
