"""Many customers at once want the last pieces; a quarter of them gets one."""

import asyncio
from collections import Counter

import pytest

from saga import Status
from tests.integration.checks import ALL_THERE
from tests.integration.stage import Stage, an_order


@pytest.mark.alone  # How long an order may take is limited, and beside others they take longer.
@pytest.mark.timeout(180)
@pytest.mark.parametrize("long_stage", ["sqlite"], indirect=True)
@pytest.mark.parametrize("customers", [40, pytest.param(200, marks=pytest.mark.long)])
async def test_the_last_pieces_are_sold_once(stage: Stage, customers: int) -> None:
    pieces = customers // 4
    sku = await stage.shops.stock(pieces)
    orders = [an_order(sku, quantity=1, price=100 + number) for number in range(customers)]

    outcomes = await asyncio.gather(*(stage.end(order) for order in orders))

    sold = {it.saga_id for it in outcomes if it.status is Status.COMPLETED}
    won = [order for order in orders if f"order-{order.order_id}" in sold]
    lost = [order for order in orders if order not in won]
    assert len(won) == pieces
    books = stage.shops.books
    assert books.reserved(sku) == pieces
    for order in won:
        assert books.of(order.order_id) == ALL_THERE
    for order in lost:
        assert books.of(order.order_id) == {"order": "cancelled", "payment": "refunded"}
    everyone = [order.order_id for order in orders]
    assert books.taken(everyone) == sum(order.total.minor for order in won)
    rows = [await stage.row(order) for order in orders]
    assert Counter(row.status for row in rows if row) == {
        Status.COMPLETED: pieces,
        Status.COMPENSATED: customers - pieces,
    }
