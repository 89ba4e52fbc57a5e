"""What goes over the brokers in `make bench-events`, and what each message leaves in PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import Protocol, Self
from uuid import uuid4

from pydantic import BaseModel
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlmodel import Field, SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from brokers.catalogue import Catalogue, MessageType
from brokers.consumer import Consumer, Received
from brokers.envelope import CloudEvent, Message
from brokers.inbox import ProcessedEvent
from brokers.opening import opened
from brokers.port import Broker, Channel, Subscription

GROUP = "bench"
KEYS = 64
AT_ONCE = 256
"""How many messages a publisher has when it publishes."""
PREFETCH = 64
LANES = 8
"""Transactions at once."""
EVENT_TYPE = "OrderHappened"
_SETTLED_EVERY = 0.02


class OrderHappened(BaseModel):
    """As large as the events of an order are."""

    order_id: str
    customer_id: str
    total_minor: int
    currency: str
    item_count: int
    status: str


class Effect(SQLModel, table=True):
    """What handling a message has done."""

    __tablename__ = "bench_effects"

    number: int | None = Field(default=None, primary_key=True)
    order_id: str
    total_minor: int


def catalogue_of(channel: Channel) -> Catalogue:
    """One type of event, which goes over this channel."""
    happened = MessageType(
        name=EVENT_TYPE, model=OrderHappened, kind="event", channel=channel, sender="bench"
    )
    return Catalogue("/bench", [happened])


def new_channel(side: str) -> Channel:
    """A channel that nobody has used."""
    return Channel(f"bench-{side}-{uuid4().hex[:8]}", groups=(GROUP,))


def new_events(count: int) -> list[CloudEvent]:
    """Events that nobody has seen, the keys in turns."""
    catalogue = catalogue_of(new_channel("any"))
    return [_event(catalogue, n) for n in range(count)]


def _event(catalogue: Catalogue, n: int) -> CloudEvent:
    order_id = f"order-{n % KEYS}"
    happened = OrderHappened(
        order_id=order_id,
        customer_id=f"customer-{n % KEYS}",
        total_minor=2500 + n,
        currency="USD",
        item_count=2,
        status="confirmed",
    )
    return catalogue.envelope(happened, event_id=str(uuid4()), subject=order_id)


class Books:
    """The consumers' database, and how many messages it has taken in."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._sessions = async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)
        self.stored = 0
        self._wanted = 0
        self._reached = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def opened(cls, url: str) -> AsyncIterator[Self]:
        """On PostgreSQL, the tables empty or not there before."""
        engine = create_async_engine(
            url.replace("postgresql://", "postgresql+asyncpg://", 1), pool_size=LANES
        )
        tables = [SQLModel.metadata.tables[it] for it in ("processed_events", "bench_effects")]
        async with engine.begin() as connected:
            await connected.run_sync(SQLModel.metadata.create_all, tables=tables)
        yield cls(engine)
        await engine.dispose()

    @asynccontextmanager
    async def transaction(self, _: CloudEvent | None = None) -> AsyncIterator[AsyncSession]:
        """One that is committed at the end, and counted then."""
        async with self._sessions() as session, session.begin():
            yield session
        self.stored += 1
        if self.stored >= self._wanted:
            self._reached.set()

    async def until(self, stored: int) -> None:
        """Wait for so many transactions."""
        self._wanted = stored
        self._reached.clear()
        if self.stored < stored:
            await self._reached.wait()


class Side(Protocol):
    """One way to do the same."""

    def made(self, event: CloudEvent) -> Message:
        """The bytes that it begins with; making them is not measured."""

    async def publish(self, messages: Sequence[Message]) -> None:
        """Return when the broker has confirmed them all."""

    def consuming(self, books: Books) -> AbstractAsyncContextManager[None]:
        """Take messages in, until everything is acknowledged at the end of the context."""


async def effect(received: Received[OrderHappened]) -> None:
    """Our side's handler."""
    data = received.data
    received.session.add(Effect(order_id=data.order_id, total_minor=data.total_minor))


async def take_in(books: Books, event_id: str, event_type: str, data: OrderHappened) -> None:
    """What the bare sides do with a message: the inbox's row and the effect, or nothing."""
    async with books.transaction() as session:
        row = postgresql.insert(ProcessedEvent).values(
            consumer=GROUP,
            event_id=event_id,
            event_type=event_type,
            processed_at=datetime.now(UTC),
        )
        if (await session.exec(row.on_conflict_do_nothing())).rowcount == 1:
            session.add(Effect(order_id=data.order_id, total_minor=data.total_minor))


class Ours:
    """The port and the consumer."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._channel = new_channel("ours")

    @classmethod
    @asynccontextmanager
    async def opened(cls, url: str) -> AsyncIterator[Self]:
        """On the broker that the URL names."""
        async with opened(url) as broker:
            yield cls(broker)

    def made(self, event: CloudEvent) -> Message:
        """As the sagas publish it; an adapter whose broker needs another form makes that."""
        return Message.binary(event)

    async def publish(self, messages: Sequence[Message]) -> None:
        """By the port."""
        await self._broker.publish(self._channel, messages)

    @asynccontextmanager
    async def consuming(self, books: Books) -> AsyncIterator[None]:
        """By the consumer."""
        consumer = Consumer(
            self._broker,
            Subscription(self._channel, GROUP, PREFETCH),
            catalogue_of(self._channel),
            {OrderHappened: effect},
            books.transaction,
            lanes=LANES,
        )
        running = asyncio.create_task(consumer.run())
        try:
            yield
            while await self._broker.waiting(self._channel, GROUP):  # noqa: ASYNC110  another's
                await asyncio.sleep(_SETTLED_EVERY)
        finally:
            running.cancel()
            await asyncio.wait([running])
