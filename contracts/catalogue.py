"""What goes over the brokers to and from the order saga's side: its integration messages.

Their shapes are promises to other teams, so they are classes of their own and not those of the
saga's messages, which change when the saga does. Events carry state: whoever keeps a copy of
orders needs to ask nobody.
"""

from functools import partial
from typing import ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from brokers.catalogue import Catalogue, MessageType
from brokers.envelope import JsonObject
from brokers.port import Channel
from contracts import commands
from contracts.commands import MAX_ITEMS, MAX_TOTAL_MINOR, Currency, Id, Line, Text
from saga.versions import VERSION, know, lift

SOURCE = "/durable-saga/orders"
SENDER = "order-saga"
"""Who sends what the sagas' logs make."""

ORDERS = Channel("orders", groups=("order-copy",))
"""What has become of orders, for whoever listens."""
ORDER_COMMANDS = Channel("order-commands", groups=("order-intake",))
NOTIFICATION_COMMANDS = Channel("notification-commands", groups=("notification",))
PAYMENT_COMMANDS = Channel("payment-commands", groups=("payment",))


class IntegrationMessage(BaseModel):
    """The data of an event or of a command, in today's form."""

    model_config = ConfigDict(frozen=True)

    schema_version: ClassVar[int] = 1
    """Grows when the form changes; the envelope says it."""


class OrderMessage(IntegrationMessage):
    """An order as it stands after the event; members that a reader does not know are ignored."""

    order_id: Id
    customer_id: Id
    total_minor: int = Field(ge=0)
    """In minor units (cents) of the currency."""
    currency: Currency
    item_count: int = Field(ge=0)
    """How many pieces, of all lines."""


class OrderPlaced(OrderMessage):
    """An order was taken, and its saga has begun."""

    status: Literal["placed"] = "placed"


class OrderConfirmed(OrderMessage):
    """Everything is done: the order is paid for and on its way."""

    status: Literal["confirmed"] = "confirmed"


class OrderRejected(OrderMessage):
    """The order did not come to pass, and nothing of it is left."""

    status: Literal["rejected"] = "rejected"
    reason: str
    """The problem type of who refused it, or why the saga went back, such as `deadline`."""


class OrderCancelled(OrderMessage):
    """Someone cancelled the order in time, and nothing of it is left."""

    status: Literal["cancelled"] = "cancelled"


class CommandMessage(IntegrationMessage):
    """What one receiver is to do; members that it does not know are refused."""

    model_config = ConfigDict(extra="forbid")

    order_id: Id


class PlaceOrder(CommandMessage):
    """Take this order; the same one under the same id is taken once."""

    customer_id: Id
    currency: Currency = "USD"
    items: tuple[Line, ...] = Field(min_length=1, max_length=MAX_ITEMS)
    card_token: Id
    ship_to: Text

    @model_validator(mode="after")
    def _is_payable(self) -> Self:
        total = sum(line.quantity * line.unit_price_minor for line in self.items)
        if total > MAX_TOTAL_MINOR:
            raise ValueError(f"the total is over the {MAX_TOTAL_MINOR} minor units that we take")
        return self

    def order(self) -> commands.PlaceOrder:
        """The command that starts the saga."""
        return commands.PlaceOrder(
            order_id=self.order_id,
            customer_id=self.customer_id,
            currency=self.currency,
            items=self.items,
            card_token=self.card_token,
            ship_to=self.ship_to,
        )


class SendOrderConfirmation(CommandMessage):
    """Tell the customer that the order is on its way, once."""

    customer_id: Id
    total_minor: int = Field(ge=0)
    currency: Currency


class ProcessRefund(CommandMessage):
    """Give back all that was charged by a payment, once."""

    payment_id: Id
    reason: Text


def message_name(message_type: str) -> str:
    """Its name for upcasters: some of the types are called as the saga's own messages are."""
    return f"integration message {message_type}"


def lifted(message_type: str, data: JsonObject, version: int) -> JsonObject:
    """Data of an integration message in today's form; raises NewerSchema, ValueError."""
    today = lift(message_name(message_type), {**data, VERSION: version})
    return {member: value for member, value in today.items() if member != VERSION}


def _of(
    model: type[IntegrationMessage],
    kind: Literal["event", "command"],
    channel: Channel,
    sender: str,
) -> MessageType:
    name, version = model.__name__, model.schema_version
    know(message_name(name), version)
    return MessageType(
        name=name,
        model=model,
        kind=kind,
        channel=channel,
        sender=sender,
        receivers=channel.groups,
        version=version,
        lift=partial(lifted, name),
    )


CATALOGUE = Catalogue(
    SOURCE,
    [
        _of(OrderPlaced, "event", ORDERS, SENDER),
        _of(OrderConfirmed, "event", ORDERS, SENDER),
        _of(OrderRejected, "event", ORDERS, SENDER),
        _of(OrderCancelled, "event", ORDERS, SENDER),
        _of(PlaceOrder, "command", ORDER_COMMANDS, "shop"),
        _of(SendOrderConfirmation, "command", NOTIFICATION_COMMANDS, SENDER),
        _of(ProcessRefund, "command", PAYMENT_COMMANDS, "back-office"),
    ],
)
