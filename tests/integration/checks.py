"""What holds for an order that has ended, by the services' databases and the read database."""

from collections.abc import Mapping

from contracts.commands import PlaceOrder
from read_model.tables import SagaRow
from saga import Cause, Status, StepStatus
from tests.integration.stage import Stage

STEPS = ("create-order", "charge-payment", "reserve-stock", "create-shipment", "confirm-order")
ALL_THERE = {
    "order": "confirmed",
    "payment": "captured",
    "reservation": "reserved",
    "shipment": "created",
}
ONCE_EACH = (2, 1, 1, 1)
"""Versions: the order was created and confirmed, all else was only made."""


async def check_row(
    stage: Stage, order: PlaceOrder, status: Status, cause: Cause | None = None
) -> SagaRow:
    """The read database tells of this outcome."""
    row = await stage.row(order)
    assert row is not None
    assert (row.status, row.cause) == (status, cause)
    assert row.closed_at is not None
    assert row.amount_minor == order.total.minor
    return row


async def check_completed(stage: Stage, order: PlaceOrder) -> None:
    """All of it happened, each part once; the order was the only one of its SKU."""
    books = stage.shops.books
    assert books.of(order.order_id) == ALL_THERE
    assert books.versions(order.order_id) == ONCE_EACH
    assert books.taken([order.order_id]) == order.total.minor
    assert books.reserved(order.items[0].sku) == order.items[0].quantity
    row = await check_row(stage, order, Status.COMPLETED)
    assert row.steps == dict.fromkeys(STEPS, StepStatus.DONE)


async def check_undone(
    stage: Stage, order: PlaceOrder, cause: Cause, kept: Mapping[str, str]
) -> SagaRow:
    """Nothing of it stays, and the services keep a note of what was there."""
    books = stage.shops.books
    assert books.of(order.order_id) == kept
    assert books.taken([order.order_id]) == 0
    assert books.reserved(order.items[0].sku) == 0
    return await check_row(stage, order, Status.COMPENSATED, cause)
