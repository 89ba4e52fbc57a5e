"""What a service's consumers have in common: their transaction, with the barrier's errors told."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from brokers.consumer import Received, Transaction, Unacceptable, Unavailable
from brokers.envelope import CloudEvent
from services.barrier import Operation
from services.database import Database
from services.problems import ProblemRaised, Refused


def message_transaction(database: Database) -> Transaction:
    """How a service on this database opens the transaction that a message is handled in.

    Inside it, a refusal is `Unacceptable`, and anything that a caller would be told to ask again
    for is `Unavailable`.
    """

    def opened(event: CloudEvent) -> AbstractAsyncContextManager[AsyncSession]:
        return _transaction(database, event)

    return opened


@asynccontextmanager
async def _transaction(database: Database, event: CloudEvent) -> AsyncIterator[AsyncSession]:
    try:
        # The event's id is the operation's key, which no request can use meanwhile.
        async with database.write([event.id]) as session:
            yield session
    except Refused as refusal:
        raise Unacceptable(str(refusal)) from refusal
    except ProblemRaised as problem:
        if problem.retry_after_seconds is None:
            raise
        raise Unavailable(str(problem)) from problem


def operation_of(received: Received[Any], *, undoes: str | None = None) -> Operation:
    """The operation that a message asks for, as the domain's functions take it from HTTP too."""
    return Operation(received.session, received.event.id, undoes, datetime.now(UTC))
