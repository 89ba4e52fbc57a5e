"""What the services tell each other, and which channel it goes over."""

from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from brokers.catalogue import Catalogue, MessageType
from brokers.port import Channel
from services.inventory import Line
from services.order import OrderItem

SERVICES = ("order", "payment", "inventory", "shipping")
CHOREOGRAPHY = Channel("choreography", groups=SERVICES)


class OrderEvent(BaseModel):
    """Something that happened to an order."""

    model_config = ConfigDict(frozen=True)

    order_id: str


class Delivered(OrderEvent):
    """An event on the way to a shipment, which needs the address."""

    ship_to: str


class OrderPlaced(Delivered):
    """The order is pending; amounts are in minor units."""

    customer_id: str
    currency: str
    items: tuple[OrderItem, ...]
    total_minor: int
    card_token: str


class PaymentProcessed(Delivered):
    """The order's total was taken."""

    payment_id: str
    lines: tuple[Line, ...]


class InventoryReserved(Delivered):
    """The order's pieces are kept."""

    reservation_id: str


class ShipmentCreated(OrderEvent):
    """The order is on its way."""

    shipment_id: str


class OrderConfirmed(OrderEvent):
    """The end of an order that went well."""

    shipment_id: str


class Failure(OrderEvent):
    """An event on the way back; the reason is the type of the problem that began it."""

    reason: str


class PaymentFailed(Failure):
    """Nothing was taken."""


class InventoryReservationFailed(Failure):
    """Nothing was reserved."""


class ShipmentFailed(Failure):
    """Nothing will be sent."""


class InventoryReleased(Failure):
    """The pieces are available again."""


class PaymentRefunded(Failure):
    """The customer has the money back."""


class OrderCancelled(Failure):
    """The end of an order that did not go well."""


AnyEvent = TypeVar("AnyEvent", bound=OrderEvent)
AnyFailure = TypeVar("AnyFailure", bound=Failure)

_SENDERS_AND_RECEIVERS: dict[type[OrderEvent], tuple[str, tuple[str, ...]]] = {
    OrderPlaced: ("order", ("payment",)),
    PaymentProcessed: ("payment", ("inventory",)),
    InventoryReserved: ("inventory", ("shipping",)),
    ShipmentCreated: ("shipping", ("order",)),
    OrderConfirmed: ("order", ()),
    PaymentFailed: ("payment", ("order",)),
    InventoryReservationFailed: ("inventory", ("payment",)),
    ShipmentFailed: ("shipping", ("inventory",)),
    InventoryReleased: ("inventory", ("payment",)),
    PaymentRefunded: ("payment", ("order",)),
    OrderCancelled: ("order", ()),
}


def catalogue(service: str) -> Catalogue:
    """All of these events, as one service sends and reads them."""
    types = [
        MessageType(
            name=model.__name__,
            model=model,
            kind="event",
            channel=CHOREOGRAPHY,
            sender=sender,
            receivers=receivers,
        )
        for model, (sender, receivers) in _SENDERS_AND_RECEIVERS.items()
    ]
    return Catalogue(f"/services/{service}", types)
