"""The order copy: orders as their events tell them, read-only, in a database of its own.

It asks nobody: each event carries the order's state. It can join late, or begin anew with an empty
database and a new group, as long as the broker has the events from the first one on.
"""

from datetime import datetime
from typing import Literal, Self

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel

from brokers.catalogue import Catalogue, MessageType
from brokers.consumer import Consumer, Received
from brokers.inbox import ProcessedEvent
from brokers.port import Broker, Channel, Subscription
from services.application import Reading, Service
from services.database import Database
from services.inbox import message_transaction
from services.problems import NOT_FOUND, ProblemRaised, documented
from services.resources import Currency, FreeText, Id, Minor, UtcDateTime

GROUP = "order-copy"
ORDERS = Channel("orders", groups=(GROUP,))

Status = Literal["placed", "confirmed", "rejected", "cancelled"]


class OrderEvent(BaseModel):
    """What every event of an order tells that is kept here."""

    order_id: Id
    customer_id: Id
    total_minor: Minor
    currency: Currency
    item_count: int
    status: Status
    reason: FreeText | None = None


class OrderPlaced(OrderEvent):
    """The order was taken."""

    status: Literal["placed"] = "placed"


class OrderConfirmed(OrderEvent):
    """The order is on its way."""

    status: Literal["confirmed"] = "confirmed"


class OrderRejected(OrderEvent):
    """The order did not come to pass."""

    status: Literal["rejected"] = "rejected"


class OrderCancelled(OrderEvent):
    """Someone cancelled the order."""

    status: Literal["cancelled"] = "cancelled"


_EVENTS: tuple[type[OrderEvent], ...] = (OrderPlaced, OrderConfirmed, OrderRejected, OrderCancelled)

CATALOGUE = Catalogue(
    "/durable-saga/order-copy",
    [
        MessageType(
            name=model.__name__, model=model, kind="event", channel=ORDERS, sender="order-saga"
        )
        for model in _EVENTS
    ],
)


class CopiedOrder(SQLModel, table=True):
    """An order as its newest event tells it."""

    __tablename__ = "copied_orders"

    order_id: str = Field(primary_key=True)
    customer_id: str = Field(index=True)
    total_minor: int = Field(sa_type=BigInteger)
    currency: str
    item_count: int
    status: str
    reason: str | None = None
    changed_at: datetime = Field(sa_type=UtcDateTime)


class CopiedOrderAnswer(BaseModel):
    """An order as this service has heard of it."""

    order_id: str
    customer_id: str
    total_minor: int
    currency: str
    item_count: int
    status: Status
    reason: str | None
    changed_at: datetime

    @classmethod
    def of(cls, order: CopiedOrder) -> Self:
        """Describe an order."""
        return cls.model_validate(order, from_attributes=True)


router = APIRouter(tags=["orders"])


@router.get("/orders/{order_id}", responses=documented(NOT_FOUND))
async def get_order(order_id: Id, session: Reading) -> CopiedOrderAnswer:
    """Show an order that this service has heard of."""
    order = await session.get(CopiedOrder, order_id)
    if order is None:
        raise ProblemRaised(NOT_FOUND, f"Nothing was heard of order {order_id}.")
    return CopiedOrderAnswer.of(order)


def create_app(database_url: str) -> FastAPI:
    """Return the order copy on a database."""
    service = Service("order-copy", [CopiedOrder, ProcessedEvent], router, [])
    return service.application(database_url)


def order_copy_consumer(broker: Broker, database: Database, *, group: str = GROUP) -> Consumer:
    """The consumer of the orders' events; a group of its own is a subscriber of its own."""
    return Consumer(
        broker,
        Subscription(ORDERS, group),
        CATALOGUE,
        dict.fromkeys(_EVENTS, _keep),
        message_transaction(database),
    )


async def _keep(received: Received[OrderEvent]) -> None:
    """Take the event's state, unless a newer one is known: a replayed letter comes late."""
    time, session = received.event.time, received.session
    known = await session.get(CopiedOrder, received.data.order_id)
    if known is None:
        session.add(CopiedOrder(**received.data.model_dump(), changed_at=time))
    elif known.changed_at <= time:
        for name, value in received.data.model_dump().items():
            setattr(known, name, value)
        known.changed_at = time
