"""Reads what the read model has of sagas, and replaces what differs from their logs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import delete, select, tuple_
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlmodel import col
from sqlmodel import select as select_rows
from sqlmodel.ext.asyncio.session import AsyncSession

from read_model.database import connection, transaction
from read_model.drift import Drift, DriftKind, Stored, place_of
from read_model.event_store import row_from
from read_model.projector import Told, write
from read_model.tables import EVENTS, TABLE, SagaRow

PATIENCE_SECONDS = 60.0
"""What a person or a schedule waits for; a saga's projection has less."""

AT_ONCE = 50
"""Sagas in one transaction, so that a worker never waits long for SQLite's one writer."""

_ATTEMPTS = 3
_CONFLICTS = ("40P01", "40001")
"""SQLSTATE of a deadlock and of a failed serialization: the loser is to try again."""


@dataclass(frozen=True)
class Repair:
    """What is to be put right of one saga."""

    told: Told
    stored: Stored
    """As it was compared: what is no longer so is not replaced."""
    drift: Sequence[Drift]

    @property
    def saga_id(self) -> str:
        """The saga."""
        return self.told.state.saga_id

    @property
    def replaces_row(self) -> bool:
        """Whether the row is to be replaced by one that the upsert would not take for newer."""
        place, state = place_of(self.stored.row), self.told.state
        differs = any(one.kind is DriftKind.ROW for one in self.drift)
        new = (state.epoch, state.position, state.version)
        return differs and place is not None and place >= new

    @property
    def event_ids(self) -> set[str]:
        """The rows of events that make room for those that are written."""
        places = self._event_places
        there = (it for it in self.stored.events if (it["epoch"], it["position"]) in places)
        return {row["event_id"] for row in there} | {it.event_id for it in self.written.events}

    @property
    def _event_places(self) -> set[tuple[int, int]]:
        """Where an event is missing or altered."""
        return {
            (one.epoch, one.position)
            for one in self.drift
            if one.epoch is not None and one.position is not None
        }

    @property
    def written(self) -> Told:
        """What is written: the state, and of the events those that are missing or altered."""
        places = self._event_places
        events = [it for it in self.told.events if (it.epoch, it.position) in places]
        return Told(self.told.state, events)


class Repairs:
    """The read model of one database, for whoever compares it and puts it right.

    Everything raises ServerUnreachable when the database does not answer in time.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def stored(self, saga_ids: Sequence[str]) -> Mapping[str, Stored]:
        """What there is of some sagas, at most a thousand; also of those of which nothing is."""
        query = select_rows(SagaRow).where(col(SagaRow.saga_id).in_(saga_ids))
        events = EVENTS.c
        log = select(EVENTS).where(events.saga_id.in_(saga_ids))
        ordered = log.order_by(events.saga_id, events.epoch, events.position)
        # The rows first: an event that comes in between is none that a row could have lacked.
        async with (
            connection(self._engine, PATIENCE_SECONDS) as connected,
            AsyncSession(connected) as session,
        ):
            rows = {row.saga_id: row for row in await session.exec(query)}
            kept = [row_from(it) for it in (await connected.execute(ordered)).mappings()]
        logs = {saga: list(its) for saga, its in groupby(kept, lambda row: row["saga_id"])}
        return {saga: Stored(rows.get(saga), logs.get(saga, [])) for saga in saga_ids}

    async def row_ids(self, *, after: str = "", limit: int = 500) -> list[str]:
        """The next sagas that have a row, after this one's id in the database's order."""
        ids = select(TABLE.c.saga_id).where(TABLE.c.saga_id > after)
        async with connection(self._engine, PATIENCE_SECONDS) as connected:
            return list(await connected.scalars(ids.order_by(TABLE.c.saga_id).limit(limit)))

    async def repair(self, repairs: Iterable[Repair]) -> set[str]:
        """Write what should be there; the ids of sagas whose row was written by another meanwhile.

        A row that is behind is replaced unless it has become as new, and one that is not is
        replaced only if it is still at the place at which it was compared.
        """
        ordered = sorted(repairs, key=lambda it: it.saga_id)
        conflicts: set[str] = set()
        for start in range(0, len(ordered), AT_ONCE):
            conflicts |= await self._together(ordered[start : start + AT_ONCE])
        return conflicts

    async def _together(self, repairs: Sequence[Repair]) -> set[str]:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                async with transaction(self._engine, PATIENCE_SECONDS) as connected:
                    conflicts = await _make_room(connected, repairs)
                    await write(connected, [it.written for it in repairs])
                    return conflicts
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) not in _CONFLICTS or attempt == _ATTEMPTS:
                    raise
        raise AssertionError("the last attempt returns or raises")


async def _make_room(connected: AsyncConnection, repairs: Sequence[Repair]) -> set[str]:
    """Take out what is to be written anew; the ids of sagas whose row is no longer as compared."""
    row = TABLE.c
    # First the rows, by which every projection begins too: of two only one goes on.
    ids = [it.saga_id for it in repairs]
    mine = select(row.saga_id).where(row.saga_id.in_(ids)).order_by(row.saga_id)
    await connected.execute(mine.with_for_update())
    as_compared = {it.saga_id: place_of(it.stored.row) for it in repairs if it.replaces_row}
    taken: set[str] = set()
    if as_compared:
        places = [(saga_id, *(place or ())) for saga_id, place in as_compared.items()]
        key = tuple_(row.saga_id, row.epoch, row.position, row.version)
        removed = delete(TABLE).where(key.in_(places)).returning(row.saga_id)
        taken = set(await connected.scalars(removed))
    # By their ids too: of a row that was altered, any column may be.
    events = [event_id for it in repairs for event_id in it.event_ids]
    if events:
        await connected.execute(delete(EVENTS).where(EVENTS.c.event_id.in_(events)))
    return as_compared.keys() - taken
