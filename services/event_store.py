"""An event store in a service's own database: append-only streams, and snapshots of them.

It works in the transaction of the session that it is given and never commits, so that events, the
barrier's key and the service's rows stand or fall together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue
from sqlalchemy import JSON, Index, String, Text, UniqueConstraint, func, insert
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.resources import UtcDateTime

Data = dict[str, JsonValue]

_JSON = JSON().with_variant(JSONB(), "postgresql")


class StoredEvent(SQLModel, table=True):
    """An event of an aggregate; the aggregate's versions count 1, 2, 3 without gaps."""

    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("aggregate_id", "version"),
        Index("idx_events_aggregate", "aggregate_id", "version"),
        Index("idx_events_type", "event_type"),
        Index("idx_events_occurred", "occurred_at"),
    )

    event_id: str = Field(primary_key=True, sa_type=Text)
    aggregate_id: str = Field(sa_type=Text)
    aggregate_type: str = Field(sa_type=String(100))
    event_type: str = Field(sa_type=String(100))
    event_data: Data = Field(sa_type=_JSON)
    version: int
    occurred_at: datetime = Field(sa_type=UtcDateTime)


class Snapshot(SQLModel, table=True):
    """The state of an aggregate at one of its versions; the newest one only.

    `shape` is that of the state: code that knows another shape starts from the events instead.
    """

    __tablename__ = "snapshots"

    aggregate_id: str = Field(primary_key=True, sa_type=Text)
    aggregate_type: str = Field(sa_type=String(100))
    version: int
    shape: int
    state: Data = Field(sa_type=_JSON)
    taken_at: datetime = Field(sa_type=UtcDateTime)


@dataclass(frozen=True)
class NewEvent:
    """An event to be stored; its id is unique in the whole store."""

    event_id: str
    event_type: str
    data: Data


class Conflict(Exception):
    """The aggregate is not at the version that was expected; nothing was stored."""


@dataclass(frozen=True)
class EventStore:
    """The streams of one type of aggregate, in one transaction."""

    session: AsyncSession
    aggregate_type: str

    async def append(
        self, aggregate_id: str, expected: int, events: Sequence[NewEvent], at: datetime
    ) -> None:
        """Store events after version `expected`, 0 for a new aggregate; raise `Conflict`.

        Of two transactions that append at once, one waits for the other's end and conflicts.
        """
        if await self.version(aggregate_id) != expected:
            raise Conflict(aggregate_id)
        rows = [
            {
                "event_id": event.event_id,
                "aggregate_id": aggregate_id,
                "aggregate_type": self.aggregate_type,
                "event_type": event.event_type,
                "event_data": event.data,
                "version": version,
                "occurred_at": at,
            }
            for version, event in enumerate(events, expected + 1)
        ]
        try:
            async with self.session.begin_nested():
                await self.session.exec(insert(StoredEvent).values(rows))
        except IntegrityError as error:
            # An event's id that is taken is no conflict: it would be stored a second time.
            if await self.version(aggregate_id) == expected:
                raise
            raise Conflict(aggregate_id) from error

    async def version(self, aggregate_id: str) -> int:
        """Return the version of the newest event, 0 without one."""
        newest = select(func.max(StoredEvent.version)).where(
            col(StoredEvent.aggregate_id) == aggregate_id
        )
        return (await self.session.exec(newest)).one() or 0

    async def read(
        self, aggregate_id: str, *, after: int = 0, limit: int | None = None
    ) -> list[StoredEvent]:
        """Return the events after a version, oldest first."""
        events = (
            select(StoredEvent)
            .where(col(StoredEvent.aggregate_id) == aggregate_id)
            .where(col(StoredEvent.aggregate_type) == self.aggregate_type)
            .where(col(StoredEvent.version) > after)
            .order_by(col(StoredEvent.version))
            .limit(limit)
        )
        return list(await self.session.exec(events))

    async def find(self, event_id: str) -> StoredEvent | None:
        """Return an event by its id."""
        return await self.session.get(StoredEvent, event_id)

    async def queue(self, aggregate_id: str) -> None:
        """Wait behind the others who queue for an aggregate, and keep the place to the end.

        On PostgreSQL it locks the first event's row; SQLite has one writer at a time anyway.
        """
        first = (
            select(StoredEvent.event_id)
            .where(col(StoredEvent.aggregate_id) == aggregate_id)
            .where(col(StoredEvent.version) == 1)
            .with_for_update()
        )
        _ = await self.session.exec(first)

    async def snapshot(self, aggregate_id: str, shape: int) -> Snapshot | None:
        """Return the snapshot, if there is one of this shape."""
        found = await self.session.get(Snapshot, aggregate_id)
        return found if found is not None and found.shape == shape else None

    async def take_snapshot(
        self, aggregate_id: str, version: int, shape: int, state: Data, at: datetime
    ) -> None:
        """Keep a state in place of the one before; whoever calls has just appended `version`."""
        row = Snapshot(
            aggregate_id=aggregate_id,
            aggregate_type=self.aggregate_type,
            version=version,
            shape=shape,
            state=state,
            taken_at=at,
        )
        _ = await self.session.merge(row)
