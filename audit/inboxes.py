"""The consumers' inboxes: the events that each has taken in."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Self

from sqlmodel import col, select

from audit.database import BookDatabase
from audit.event_rows import Taken
from brokers.inbox import ProcessedEvent

_ROWS_AT_ONCE = 1000


class Inboxes:
    """The inboxes' databases by consumer, opened for reading only.

    Reading raises ServerUnreachable, or SettingsError where there is no inbox.
    """

    def __init__(self, databases: Mapping[str, BookDatabase]) -> None:
        self._databases = databases

    @classmethod
    @asynccontextmanager
    async def open(cls, urls: Mapping[str, str]) -> AsyncIterator[Self]:
        """Those that the URLs name, by consumer; raises SettingsError."""
        async with AsyncExitStack() as stack:
            databases = {}
            for consumer, url in urls.items():
                database = BookDatabase(
                    consumer,
                    url,
                    name=f"the inbox of {consumer}",
                    variable=f"--inbox {consumer}",
                )
                stack.push_async_callback(database.close)
                databases[consumer] = database
            yield cls(databases)

    @property
    def consumers(self) -> frozenset[str]:
        """Whose inboxes are looked at."""
        return frozenset(self._databases)

    async def rows(self, consumer: str) -> AsyncIterator[list[Taken]]:
        """All rows of a consumer, some at a time."""
        database = self._databases[consumer]
        query = select(
            ProcessedEvent.event_id, ProcessedEvent.event_type, ProcessedEvent.processed_at
        ).where(col(ProcessedEvent.consumer) == consumer)
        async with database.snapshot() as connection:
            with database.answering():
                rows = await connection.stream(
                    query, execution_options={"yield_per": _ROWS_AT_ONCE}
                )
                async for some in rows.partitions():
                    yield [
                        Taken(consumer, event_id, event_type, _instant(processed_at))
                        for event_id, event_type, processed_at in some
                    ]


def _instant(at: datetime) -> float:
    # SQLite gives it back without the zone that it was written with.
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
