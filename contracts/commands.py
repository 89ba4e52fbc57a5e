"""What the order saga asks: of itself (`PlaceOrder`) and of its participants."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from typing_extensions import override

from contracts import ids
from contracts.money import Money
from saga.messages import Command, Headline, SagaCommand

Id = Annotated[
    str, StringConstraints(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$")
]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
MAX_ITEMS = 100
MAX_TOTAL_MINOR = 10**15


class Line(BaseModel):
    """One line of an order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sku: Id
    quantity: int = Field(ge=1, le=1_000_000)
    unit_price_minor: int = Field(ge=0, le=10**12)


class PlaceOrder(SagaCommand):
    """A customer's order; only ids, amounts and a card token, nothing that must stay secret."""

    order_id: Id
    customer_id: Id
    currency: Currency = "USD"
    items: tuple[Line, ...] = Field(min_length=1, max_length=MAX_ITEMS)
    card_token: Id
    ship_to: Text

    @model_validator(mode="after")
    def _is_payable(self) -> Self:
        if self.total.minor > MAX_TOTAL_MINOR:
            raise ValueError(f"the total is over the {MAX_TOTAL_MINOR} minor units that we take")
        return self

    @property
    def total(self) -> Money:
        """The sum of all lines."""
        minor = sum(line.quantity * line.unit_price_minor for line in self.items)
        return Money(minor=minor, currency=self.currency)

    @override
    def headline(self) -> Headline:
        return Headline(
            business_id=self.order_id,
            customer_id=self.customer_id,
            amount_minor=self.total.minor,
            currency=self.currency,
            item_count=sum(line.quantity for line in self.items),
        )

    @override
    def summary(self) -> str:
        return f"order {self.order_id} of {self.customer_id}, {self.total}"


class CreateOrder(Command):
    """Record the order, pending."""

    order_id: Id
    customer_id: Id
    items: tuple[Line, ...]
    total: Money

    @classmethod
    def of(cls, order: PlaceOrder) -> Self:
        """The command that a placed order makes."""
        return cls(
            order_id=order.order_id,
            customer_id=order.customer_id,
            items=order.items,
            total=order.total,
        )

    @override
    def summary(self) -> str:
        return f"create order, {self.total}"


class CancelOrder(Command):
    """Take the order back."""

    order_id: Id

    @classmethod
    def undoing(cls, created: CreateOrder) -> Self:
        """The command that undoes `CreateOrder`."""
        return cls(order_id=created.order_id)

    @override
    def summary(self) -> str:
        return "cancel order"


class ConfirmOrder(Command):
    """Tell the order that it is on its way."""

    order_id: Id
    shipment_id: Id

    @override
    def summary(self) -> str:
        return "confirm order"


class ChargePayment(Command):
    """Take the order's total from the card."""

    payment_id: Id
    order_id: Id
    customer_id: Id
    total: Money
    card_token: Id

    @classmethod
    def of(cls, order: PlaceOrder) -> Self:
        """The command that a placed order makes."""
        return cls(
            payment_id=ids.payment_id(order.order_id),
            order_id=order.order_id,
            customer_id=order.customer_id,
            total=order.total,
            card_token=order.card_token,
        )

    @override
    def summary(self) -> str:
        return f"charge {self.total}"


class RefundPayment(Command):
    """Give back all that was charged."""

    payment_id: Id
    order_id: Id
    total: Money

    @classmethod
    def undoing(cls, charged: ChargePayment) -> Self:
        """The command that undoes `ChargePayment`."""
        return cls(payment_id=charged.payment_id, order_id=charged.order_id, total=charged.total)

    @override
    def summary(self) -> str:
        return f"refund {self.total}"


class StockLine(BaseModel):
    """So many pieces of an article."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sku: Id
    quantity: int = Field(ge=1)


class ReserveStock(Command):
    """Reserve all lines, or none."""

    reservation_id: Id
    order_id: Id
    lines: tuple[StockLine, ...]

    @classmethod
    def of(cls, order: PlaceOrder) -> Self:
        """The command that a placed order makes."""
        return cls(
            reservation_id=ids.reservation_id(order.order_id),
            order_id=order.order_id,
            lines=tuple(StockLine(sku=line.sku, quantity=line.quantity) for line in order.items),
        )

    @override
    def summary(self) -> str:
        return "reserve " + ", ".join(f"{line.quantity} {line.sku}" for line in self.lines[:5])


class ReleaseStock(Command):
    """Give the reserved pieces back."""

    reservation_id: Id
    order_id: Id

    @classmethod
    def undoing(cls, reserved: ReserveStock) -> Self:
        """The command that undoes `ReserveStock`."""
        return cls(reservation_id=reserved.reservation_id, order_id=reserved.order_id)

    @override
    def summary(self) -> str:
        return "release stock"


class CreateShipment(Command):
    """Hand the order to a carrier."""

    shipment_id: Id
    order_id: Id
    address: Text

    @classmethod
    def of(cls, order: PlaceOrder) -> Self:
        """The command that a placed order makes."""
        return cls(
            shipment_id=ids.shipment_id(order.order_id),
            order_id=order.order_id,
            address=order.ship_to,
        )

    @override
    def summary(self) -> str:
        return "ship the order"


class CancelShipment(Command):
    """Call the shipment back before it is dispatched."""

    shipment_id: Id
    order_id: Id

    @classmethod
    def undoing(cls, created: CreateShipment) -> Self:
        """The command that undoes `CreateShipment`."""
        return cls(shipment_id=created.shipment_id, order_id=created.order_id)

    @override
    def summary(self) -> str:
        return "call the shipment back"
