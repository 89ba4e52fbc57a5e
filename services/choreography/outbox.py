"""The transactional outbox: an event is stored with its effect, and published after that."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

from sqlalchemy import Text
from sqlmodel import Field, SQLModel, col, delete, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from brokers.envelope import CloudEvent, Message
from brokers.failures import Kind, first_line, kind_of
from brokers.port import Broker, Channel
from services.database import Database
from services.resources import UtcDateTime

_log = logging.getLogger("outbox")
_BATCH = 100


class OutboxEntry(SQLModel, table=True):
    """An event to publish; where the broker forgets, one that was published stays."""

    __tablename__ = "outbox"

    position: int | None = Field(default=None, primary_key=True)
    event_id: str = Field(unique=True)
    event: str = Field(sa_type=Text)
    published_at: datetime | None = Field(default=None, sa_type=UtcDateTime, index=True)


async def put(session: AsyncSession, event: CloudEvent) -> None:
    """Store an event in the transaction of its effect."""
    session.add(OutboxEntry(event_id=event.id, event=event.model_dump_json(exclude_none=True)))
    await session.flush()


class Relay:
    """Publishes one outbox in order, and removes what the broker has for certain.

    If it dies between the two, it publishes again, and the receivers know the event by its id.
    """

    def __init__(
        self,
        database: Database,
        broker: Broker,
        channel: Channel,
        *,
        broker_forgets: bool = False,
        poll_seconds: float = 1.0,
    ) -> None:
        """A relay to run once.

        Args:
            database: where the outbox is.
            broker: where the events go.
            channel: on which they go.
            broker_forgets: the outbox has to keep what was published, for `start_over`.
            poll_seconds: how long an event waits at most that nobody woke the relay for.
        """
        self._database = database
        self._broker = broker
        self._channel = channel
        self._broker_forgets = broker_forgets
        self._poll_seconds = poll_seconds
        self._woken = asyncio.Event()
        self._stopping = False

    def wake(self) -> None:
        """Look into the outbox now: something was committed."""
        self._woken.set()

    def stop(self) -> None:
        """Have `run` publish what is there, if the broker takes it, and return."""
        self._stopping = True
        self._woken.set()

    async def start_over(self) -> None:
        """Take everything for unpublished, for a broker that has forgotten it."""
        async with self._database.write([]) as session:
            await session.exec(update(OutboxEntry).values(published_at=None))

    async def run(self) -> None:
        """Publish until `stop`; a broker or a database that is away is waited for."""
        away = False
        while True:
            self._woken.clear()
            try:
                while await self.publish_some():
                    away = False
            except Exception as error:
                if kind_of(error) is not Kind.OUTAGE:
                    raise
                if not away:
                    _log.warning("the outbox waits: %s", first_line(error))
                away = True
            if self._stopping:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), self._poll_seconds)

    async def publish_some(self) -> int:
        """Publish and remove the oldest, and say how many; raises BrokerUnreachable."""
        async with self._database.read() as session:
            rows = await session.exec(
                select(OutboxEntry)
                .where(col(OutboxEntry.published_at).is_(None))
                .order_by(col(OutboxEntry.position))
                .limit(_BATCH)
            )
            entries: Sequence[OutboxEntry] = rows.all()
        if not entries:
            return 0
        events = [CloudEvent.model_validate_json(entry.event) for entry in entries]
        await self._broker.publish(self._channel, [Message.structured(it) for it in events])
        # By their ids: SQLite gives the positions of rows that are gone to new ones.
        published = col(OutboxEntry.event_id).in_([it.event_id for it in entries])
        done = update(OutboxEntry).values(published_at=datetime.now(UTC))
        async with self._database.write([]) as session:
            await session.exec(
                (done if self._broker_forgets else delete(OutboxEntry)).where(published)
            )
        return len(entries)
