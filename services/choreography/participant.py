"""A service that reacts to events: each effect, its inbox row and its event in one transaction."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, uuid5

from pydantic import BaseModel
from sqlmodel.ext.asyncio.session import AsyncSession

from brokers.catalogue import Catalogue
from brokers.consumer import Consumer, Handler, Received
from brokers.envelope import CloudEvent
from brokers.port import Broker, Subscription
from services.barrier import Operation, StoredOperation
from services.choreography.events import CHOREOGRAPHY, AnyEvent, OrderEvent
from services.choreography.outbox import Relay, put
from services.database import Database
from services.inbox import message_transaction
from services.problems import UNDONE, Refused

_NAMESPACE = uuid5(NAMESPACE_URL, "durable-saga/choreography")

Work = Callable[[Operation], Awaitable[BaseModel]]


class Participant:
    """One service's consumer and relay, on its database."""

    def __init__(
        self,
        service: str,
        database: Database,
        broker: Broker,
        catalogue: Catalogue,
        handlers: Mapping[type[BaseModel], Handler],
        *,
        broker_forgets: bool = False,
    ) -> None:
        self.relay = Relay(database, broker, CHOREOGRAPHY, broker_forgets=broker_forgets)
        self._database = database
        self._consumer = Consumer(
            broker, Subscription(CHOREOGRAPHY, service), catalogue, handlers, self._transaction
        )

    def stop(self) -> None:
        """Begin no reaction more; `run` returns when those under way are told of."""
        self._consumer.stop()

    async def run(self) -> None:
        """React until `stop`, or cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.relay.run())
            await self._consumer.run()
            self.relay.stop()

    @asynccontextmanager
    async def _transaction(self, event: CloudEvent) -> AsyncIterator[AsyncSession]:
        async with message_transaction(self._database)(event) as session:
            yield session
        self.relay.wake()


def event_id(cause: str, event_type: str) -> str:
    """The id of what a cause leads to, the same however often it is handled."""
    return str(uuid5(_NAMESPACE, f"{cause}/{event_type}"))


async def tell(known: Catalogue, session: AsyncSession, cause: CloudEvent, it: OrderEvent) -> None:
    """Put an event that answers another into the outbox."""
    new_id = event_id(cause.id, type(it).__name__)
    await put(session, known.envelope(it, event_id=new_id, subject=it.order_id, cause=cause))


def key(order_id: str, step: str, direction: str = "do") -> str:
    """The key that a step of an order is done, or undone, by."""
    return f"order-{order_id}/{step}/{direction}"


async def do(
    got: Received[AnyEvent], step: str, path: str, work: Work, *, undo: bool = False
) -> None:
    """Do a step behind the barrier, or undo it.

    Raises:
        Refused: the domain does not want it, or it was undone before; its effect is taken back.
    """
    done = key(got.data.order_id, step)
    own = key(got.data.order_id, step, "undo") if undo else done
    stored = await got.session.get(StoredOperation, own)
    if stored is not None:
        if stored.undone:
            raise Refused(UNDONE, "This action was undone; it will not be done again.")
        return
    operation = Operation(got.session, own, done if undo else None, datetime.now(UTC))
    async with got.session.begin_nested():
        answer = await work(operation)
    got.session.add(
        StoredOperation(
            key=own,
            method="POST",
            path=path,
            response_status=200 if undo else 201,
            response_body=answer.model_dump_json(),
            created_at=operation.now,
        )
    )
