"""A desk that messages are handled at: its effects go into a table that shows double ones."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from pydantic import BaseModel
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from brokers.catalogue import Catalogue, MessageType
from brokers.consumer import Consumer, Handler, Received, Retries
from brokers.dead_letters import DeadLetter, dead_letters
from brokers.envelope import CloudEvent, Message
from brokers.inbox import ProcessedEvent
from brokers.memory import MemoryBroker
from brokers.port import Broker, Channel, Subscription
from services.database import Database
from tests.integration.processes import eventually

COUNTS = Channel("counts", groups=("desk", "others"))
ORDERS_TO_DESK = Channel("desk-commands", groups=("desk",))
GROUP = "desk"
QUICK = Retries(tries=3, first=0.002, longest=0.01)


class Counted(BaseModel):
    """An event that is handled."""

    n: int


class Noticed(BaseModel):
    """An event that nobody here handles."""

    n: int


class Count(BaseModel):
    """A command."""

    n: int


CATALOGUE = Catalogue(
    "/tests",
    [
        MessageType(name="Counted", model=Counted, kind="event", channel=COUNTS, sender="tests"),
        MessageType(name="Noticed", model=Noticed, kind="event", channel=COUNTS, sender="tests"),
        MessageType(
            name="Count",
            model=Count,
            kind="command",
            channel=ORDERS_TO_DESK,
            sender="tests",
            receivers=("desk",),
        ),
    ],
)


class DeskEffect(SQLModel, table=True):
    """What handling a message has done; the same one may stand there twice, and must not."""

    __tablename__ = "desk_effects"

    number: int | None = Field(default=None, primary_key=True)
    key: str
    n: int


MODELS = (ProcessedEvent, DeskEffect)


async def effect(received: Received[Any]) -> None:
    """The handler: one row for each time."""
    received.session.add(DeskEffect(key=received.event.subject, n=received.data.n))


def counted(n: int, key: str = "a", **attributes: Any) -> CloudEvent:
    """An event of a key; its id is made of both."""
    made = CATALOGUE.envelope(Counted(n=n), event_id=f"{key}-{n}", subject=key)
    return made.model_copy(update=attributes)


class Failing:
    """A handler that raises what it is told, in turn, before it does what it should."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = iter(errors)
        self.tried: list[int] = []

    async def __call__(self, received: Received[Any]) -> None:
        """Leave an effect and fail, so that a rollback shows; or only leave the effect."""
        self.tried.append(received.data.n)
        await effect(received)
        if (error := next(self._errors, None)) is not None:
            await received.session.flush()
            raise error

    @classmethod
    def always(cls, error: Exception) -> "Failing":
        """One that never does it."""
        failing = cls()
        failing._errors = itertools.repeat(error)
        return failing


class Desk:
    """A consumer's database and its broker."""

    def __init__(self, broker: Broker, database: Database) -> None:
        self.broker = broker
        self.database = database

    def transaction(self, event: CloudEvent) -> AbstractAsyncContextManager[AsyncSession]:
        """As a service opens it."""
        return self.database.write([event.id])

    async def publish(
        self, *events: CloudEvent, channel: Channel = COUNTS, headers: Mapping[str, str] = {}
    ) -> None:
        """Publish events, structured."""
        await self.broker.publish(channel, [Message.structured(it, headers) for it in events])

    def consumer(
        self,
        handler: Handler = effect,
        *,
        channel: Channel = COUNTS,
        prefetch: int = 64,
        models: Sequence[type[BaseModel]] = (Counted,),
        **options: Any,
    ) -> Consumer:
        """A consumer of this desk's group."""
        return Consumer(
            self.broker,
            Subscription(channel, GROUP, prefetch),
            CATALOGUE,
            dict.fromkeys(models, handler),
            options.pop("transaction", self.transaction),
            **{"retries": QUICK, **options},
        )

    @asynccontextmanager
    async def consuming(self, handler: Handler = effect, **options: Any) -> AsyncIterator[None]:
        """A consumer that runs, and is cancelled at the end."""
        async with running(self.consumer(handler, **options)):
            yield

    async def handled(
        self, handler: Handler = effect, *, channel: Channel = COUNTS, **options: Any
    ) -> None:
        """Have a consumer handle everything that waits."""
        async with self.consuming(handler, channel=channel, **options):
            await self.nothing_waits(channel)

    async def nothing_waits(self, channel: Channel = COUNTS) -> None:
        """Wait until the group has got and acknowledged everything."""

        async def empty() -> bool:
            return await self.broker.waiting(channel, GROUP) == 0

        await eventually(empty)

    async def effects(self, key: str | None = None) -> list[int]:
        """The numbers in the order in which they were stored, of a key or of all."""
        query = select(DeskEffect).order_by(col(DeskEffect.number))
        async with self.database.read() as session:
            rows = (await session.exec(query)).all()
        return [row.n for row in rows if key in {None, row.key}]

    async def inbox(self) -> list[str]:
        """The ids of what was taken in."""
        async with self.database.read() as session:
            rows = (await session.exec(select(ProcessedEvent))).all()
        return sorted(row.event_id for row in rows if row.consumer == GROUP)

    async def letters(self, channel: Channel = COUNTS) -> list[DeadLetter]:
        """The group's dead letters."""
        return await dead_letters(self.broker, channel, GROUP)


@asynccontextmanager
async def running(consumer: Consumer) -> AsyncIterator[None]:
    """Run a consumer until the end of the context; what ends it before fails."""
    task = asyncio.create_task(consumer.run())
    try:
        yield
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def soon(done: Callable[[], bool]) -> None:
    """Wait until it is so."""

    async def ask() -> bool:
        return done()

    await eventually(ask, seconds=20)


@asynccontextmanager
async def desk_on(url: str) -> AsyncIterator[Desk]:
    database = Database(url, MODELS)
    await database.open()
    yield Desk(MemoryBroker(), database)
    await database.close()
