"""The notification service: sends a customer the confirmation of an order, once."""

from datetime import UTC, datetime
from typing import Self

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
from services.resources import Currency, Id, Minor, UtcDateTime

GROUP = "notification"
COMMANDS = Channel("notification-commands", groups=(GROUP,))


class SendOrderConfirmation(BaseModel):
    """The command, as much of it as is needed here."""

    order_id: Id
    customer_id: Id
    total_minor: Minor
    currency: Currency


CATALOGUE = Catalogue(
    "/durable-saga/notification",
    [
        MessageType(
            name="SendOrderConfirmation",
            model=SendOrderConfirmation,
            kind="command",
            channel=COMMANDS,
            sender="order-saga",
            receivers=(GROUP,),
        )
    ],
)


class Confirmation(SQLModel, table=True):
    """A confirmation that was sent; the row stands for the letter."""

    __tablename__ = "confirmations"

    order_id: str = Field(primary_key=True)
    customer_id: str
    total_minor: int = Field(sa_type=BigInteger)
    currency: str
    correlation_id: str
    sent_at: datetime = Field(sa_type=UtcDateTime)


class ConfirmationAnswer(BaseModel):
    """A confirmation that was sent."""

    order_id: str
    customer_id: str
    total_minor: int
    currency: str
    correlation_id: str
    sent_at: datetime

    @classmethod
    def of(cls, confirmation: Confirmation) -> Self:
        """Describe a confirmation."""
        return cls.model_validate(confirmation, from_attributes=True)


router = APIRouter(tags=["confirmations"])


@router.get("/confirmations/{order_id}", responses=documented(NOT_FOUND))
async def get_confirmation(order_id: Id, session: Reading) -> ConfirmationAnswer:
    """Show the confirmation of an order that was sent."""
    confirmation = await session.get(Confirmation, order_id)
    if confirmation is None:
        raise ProblemRaised(NOT_FOUND, f"No confirmation of order {order_id} was sent.")
    return ConfirmationAnswer.of(confirmation)


def create_app(database_url: str) -> FastAPI:
    """Return the notification service on a database."""
    service = Service("notification", [Confirmation, ProcessedEvent], router, [])
    return service.application(database_url)


def notification_consumer(broker: Broker, database: Database) -> Consumer:
    """The consumer of the commands to the notification service."""
    return Consumer(
        broker,
        Subscription(COMMANDS, GROUP),
        CATALOGUE,
        {SendOrderConfirmation: _send},
        message_transaction(database),
    )


async def _send(received: Received[SendOrderConfirmation]) -> None:
    """Send it, unless the order was confirmed before by another message."""
    command, session = received.data, received.session
    # A saga that was reset tells its events anew, with other ids; the customer has heard it.
    if await session.get(Confirmation, command.order_id) is None:
        session.add(
            Confirmation(
                **command.model_dump(),
                correlation_id=received.event.correlationid,
                sent_at=datetime.now(UTC),
            )
        )
