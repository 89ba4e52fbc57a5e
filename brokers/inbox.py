"""The inbox: which messages a consumer has handled, written in the transaction of their effects."""

from datetime import UTC, datetime

from sqlalchemy import DateTime
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Field, SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession


class ProcessedEvent(SQLModel, table=True):
    """An event that a consumer has handled; its effects are stored, since they came with it."""

    __tablename__ = "processed_events"

    consumer: str = Field(primary_key=True)
    event_id: str = Field(primary_key=True)
    event_type: str
    processed_at: datetime = Field(sa_type=DateTime(timezone=True))


async def first_time(session: AsyncSession, consumer: str, event_id: str, event_type: str) -> bool:
    """Take an event into the inbox; whether it was not there.

    Another transaction that is taking in the same event is waited for.
    """
    # Not by way of an error, which on PostgreSQL would cost a savepoint: two more round trips.
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    row = insert(ProcessedEvent).values(
        consumer=consumer,
        event_id=event_id,
        event_type=event_type,
        processed_at=datetime.now(UTC),
    )
    taken_in = await session.exec(row.on_conflict_do_nothing())
    return taken_in.rowcount == 1
