"""The payment service's commands by message: `ProcessRefund`."""

from pydantic import BaseModel

from brokers.catalogue import Catalogue, MessageType
from brokers.consumer import Consumer, Received
from brokers.inbox import ProcessedEvent
from brokers.port import Broker, Channel, Subscription
from services.barrier import StoredOperation
from services.database import Database
from services.event_store import Snapshot, StoredEvent
from services.inbox import message_transaction, operation_of
from services.payment import Payment, refund
from services.resources import FreeText, Id, Undo

GROUP = "payment"
COMMANDS = Channel("payment-commands", groups=(GROUP,))


class ProcessRefund(BaseModel):
    """Give back all that was charged by a payment; as much of the message as is needed here."""

    payment_id: Id
    reason: FreeText


CATALOGUE = Catalogue(
    "/durable-saga/payment",
    [
        MessageType(
            name="ProcessRefund",
            model=ProcessRefund,
            kind="command",
            channel=COMMANDS,
            sender="back-office",
            receivers=(GROUP,),
        )
    ],
)


def payment_database(url: str) -> Database:
    """The service's own database with the inbox of its consumer."""
    return Database(url, [StoredOperation, Payment, StoredEvent, Snapshot, ProcessedEvent])


def payment_consumer(broker: Broker, database: Database) -> Consumer:
    """The consumer of the commands to the payment service."""
    return Consumer(
        broker,
        Subscription(COMMANDS, GROUP),
        CATALOGUE,
        {ProcessRefund: _process_refund},
        message_transaction(database),
    )


async def _process_refund(received: Received[ProcessRefund]) -> None:
    """Do as `POST /payments/{id}/refund` does: give it back, and never charge it again."""
    command = received.data
    await refund(command.payment_id, Undo(reason=command.reason), operation_of(received))
