"""The order saga as a subject: all that the matrix has to be told."""

from dataclasses import replace

from contracts.commands import Line, PlaceOrder
from saga import Lane
from saga.testing import Subject
from workflows.order import OrderSaga


def place_order(order_id: str) -> PlaceOrder:
    return PlaceOrder(
        order_id=order_id,
        customer_id="C-1",
        items=(Line(sku="BOOK", quantity=2, unit_price_minor=1250),),
        card_token="tok_visa",
        ship_to="1 Main St, Springfield",
    )


ORDER = Subject(workflow=OrderSaga, command=place_order)
EXPRESS = replace(ORDER, lane=Lane.EXPRESS)
