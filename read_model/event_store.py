"""The table of events, read back: the log of any saga that was ever projected."""

from collections.abc import Sequence
from itertools import groupby
from typing import cast

from sqlalchemy import RowMapping, Select, exists, select
from sqlalchemy.ext.asyncio import AsyncEngine

from read_model.columns import kept_json, kept_name, kept_text
from read_model.database import connection
from read_model.tables import EVENTS, TABLE, EventRow
from saga.envelope import Event, JsonObject
from saga.identity import Direction
from saga.state import AnyEvent
from saga.versions import VERSION


def event_row(event: AnyEvent) -> EventRow:
    """The row that keeps an event, with all that both databases can keep of it."""
    data = kept_json(event.model_dump(mode="json", include={"data"})["data"])
    assert isinstance(data, dict)
    return EventRow(
        event_id=event.event_id,
        aggregate_id=kept_text(event.aggregate_id),
        aggregate_type=kept_name(event.aggregate_type),
        event_type=kept_name(event.event_type),
        event_data=data,
        version=event.version,
        told_version=event.version,
        occurred_at=event.occurred_at,
        saga_id=kept_text(event.saga_id),
        epoch=event.epoch,
        position=event.position,
        correlation_id=kept_text(event.correlation_id),
        causation_id=event.causation_id and kept_text(event.causation_id),
        schema_version=event.schema_version,
        step=event.step and kept_text(event.step),
        direction=event.direction,
    )


def event_of(row: EventRow) -> Event[JsonObject]:
    """The event that a row keeps; its type need not be known."""
    return Event[JsonObject](
        saga_id=row["saga_id"],
        epoch=row["epoch"],
        position=row["position"],
        correlation_id=row["correlation_id"],
        causation_id=row["causation_id"],
        event_type=row["event_type"],
        aggregate_id=row["aggregate_id"],
        aggregate_type=row["aggregate_type"],
        version=row["told_version"],
        occurred_at=row["occurred_at"],
        step=row["step"],
        direction=Direction(row["direction"]) if row["direction"] else None,
        data={VERSION: row["schema_version"], **row["event_data"]},
    )


def row_from(mapping: RowMapping) -> EventRow:
    """The row that a query on `EVENTS` has found."""
    return cast(EventRow, dict(mapping))


class EventStore:
    """The events as they were projected, of sagas whose histories are gone too.

    Every query raises ServerUnreachable when the database does not answer in time.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def events_of(self, saga_id: str) -> list[Event[JsonObject]]:
        """All events of one saga by their places, also what a reset has abandoned."""
        return (await self.events_of_all([saga_id])).get(saga_id, [])

    async def events_of_all(self, saga_ids: Sequence[str]) -> dict[str, list[Event[JsonObject]]]:
        """The events of several sagas, at most a thousand, by their ids; none for an unknown id."""
        events = EVENTS.c
        query = select(EVENTS).where(events.saga_id.in_(saga_ids))
        found = await self._events(query.order_by(events.saga_id, events.epoch, events.position))
        return {saga: list(log) for saga, log in groupby(found, lambda event: event.saga_id)}

    async def correlated(self, correlation_id: str) -> list[Event[JsonObject]]:
        """The events of all sagas that one request has caused, as they occurred."""
        events = EVENTS.c
        query = select(EVENTS).where(events.correlation_id == correlation_id)
        return await self._events(
            query.order_by(events.occurred_at, events.saga_id, events.epoch, events.position)
        )

    async def saga_ids(
        self, *, after: str = "", limit: int = 500, without_row: bool = False
    ) -> list[str]:
        """The next sagas that have events, after this one's id in the database's order."""
        saga_id = EVENTS.c.saga_id
        ids = select(saga_id).where(saga_id > after).distinct().order_by(saga_id).limit(limit)
        if without_row:
            ids = ids.where(~exists().where(TABLE.c.saga_id == saga_id))
        async with connection(self._engine) as connected:
            return list(await connected.scalars(ids))

    async def _events(self, query: Select[tuple[object, ...]]) -> list[Event[JsonObject]]:
        async with connection(self._engine) as connected:
            rows = await connected.execute(query)
            return [event_of(row_from(row)) for row in rows.mappings()]
