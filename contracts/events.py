"""What happened at the participants of the order saga."""

from typing import ClassVar, Self

from typing_extensions import override

from contracts.commands import ConfirmOrder, Line
from contracts.money import Money
from saga.messages import DomainEvent


class OrderEvent(DomainEvent):
    """Something that happened to an order."""

    aggregate_type: ClassVar[str] = "Order"

    order_id: str

    @property
    @override
    def aggregate_id(self) -> str:
        return self.order_id


class OrderCreated(OrderEvent):
    """The order is recorded, pending."""

    schema_version: ClassVar[int] = 2

    customer_id: str
    total: Money
    items: tuple[Line, ...]


class OrderCancelled(OrderEvent):
    """The order was taken back; it may never have been recorded."""


class OrderConfirmed(OrderEvent):
    """The order is on its way."""

    shipment_id: str

    @classmethod
    def by_hand(cls, confirm: ConfirmOrder) -> Self:
        """The event that stands for a person's having confirmed it."""
        return cls(order_id=confirm.order_id, shipment_id=confirm.shipment_id)


class PaymentEvent(DomainEvent):
    """Something that happened to a payment."""

    aggregate_type: ClassVar[str] = "Payment"

    payment_id: str
    order_id: str

    @property
    @override
    def aggregate_id(self) -> str:
        return self.payment_id


class PaymentProcessed(PaymentEvent):
    """The card was charged."""

    amount: Money
    transaction_id: str


class PaymentRefunded(PaymentEvent):
    """What was charged is given back: 0 when nothing had been."""

    amount: Money


class ReservationEvent(DomainEvent):
    """Something that happened to a reservation."""

    aggregate_type: ClassVar[str] = "Reservation"

    reservation_id: str
    order_id: str

    @property
    @override
    def aggregate_id(self) -> str:
        return self.reservation_id


class InventoryReserved(ReservationEvent):
    """Every line of the order is reserved."""


class InventoryReleased(ReservationEvent):
    """The pieces are free again; there may have been none."""


class ShipmentEvent(DomainEvent):
    """Something that happened to a shipment."""

    aggregate_type: ClassVar[str] = "Shipment"

    shipment_id: str
    order_id: str

    @property
    @override
    def aggregate_id(self) -> str:
        return self.shipment_id


class ShipmentCreated(ShipmentEvent):
    """A carrier has the order."""

    tracking_number: str


class ShipmentCancelled(ShipmentEvent):
    """The shipment was called back; there may have been none."""
