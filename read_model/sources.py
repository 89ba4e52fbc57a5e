"""Where the sagas are found that a rebuild looks at: Temporal's lists, then the read model's."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from read_model.drift import Stored
from read_model.event_store import EventStore
from read_model.repair import Repairs
from saga.events import SagaStarted

PAGE = 100
"""Sagas that are looked at together."""


class Phase(StrEnum):
    """Where sagas are listed, one after the other."""

    HISTORIES = "histories"
    ROWS = "rows"
    EVENTS = "events"


class Position(BaseModel):
    """How far the listing has come, so that it can go on from there."""

    model_config = ConfigDict(frozen=True)

    phase: Phase = Phase.HISTORIES
    after: str = ""
    """What the list calls its next page: a token in hexadecimal digits, or the last saga's id."""


class Page(NamedTuple):
    """Some sagas, and where to go on after them."""

    saga_ids: Sequence[str]
    until: Position
    kept: bool = False
    """Whether only the read model names them."""


@dataclass(frozen=True)
class Wanted:
    """Which sagas are looked at."""

    saga_type: str | None = None
    since: datetime | None = None
    """Only those that were started or closed then or later."""

    @property
    def query(self) -> str:
        """The same for Temporal's visibility."""
        kind = "IS NOT NULL" if self.saga_type is None else f"= '{self.saga_type}'"
        if self.since is None:
            return f"SagaType {kind}"
        moment = self.since.astimezone(UTC).isoformat().replace("+00:00", "Z")
        return f"SagaType {kind} AND (StartTime >= '{moment}' OR CloseTime >= '{moment}')"

    def __call__(self, stored: Stored) -> bool:
        """Whether a saga is one of them, by what the read model has of it."""
        return self._is_typed(stored) and self._is_recent(stored)

    def _is_typed(self, stored: Stored) -> bool:
        if self.saga_type is None:
            return True
        if stored.row is not None:
            return stored.row.saga_type == self.saga_type
        begun = (it["event_data"] for it in stored.events if it["event_type"] == _STARTED)
        return any(data.get("saga_type") == self.saga_type for data in begun)

    def _is_recent(self, stored: Stored) -> bool:
        if self.since is None:
            return True
        if stored.row is None:
            return any(row["occurred_at"] >= self.since for row in stored.events)
        closed_at = stored.row.closed_at
        return stored.row.started_at >= self.since or (
            closed_at is not None and closed_at >= self.since
        )


_STARTED = SagaStarted.__name__


async def everything(
    client: Client, engine: AsyncEngine, wanted: Wanted, begin: Position
) -> AsyncIterator[Page]:
    """All sagas, each once: those that Temporal lists, then those with a row, then with events.

    A listing that goes on where another one ended may name again what that one has.
    """
    seen: set[str] = set()
    async for page in _pages(client, engine, wanted, begin):
        fresh = [it for it in dict.fromkeys(page.saga_ids) if it not in seen]
        seen.update(fresh)
        yield page._replace(saga_ids=fresh)


async def _pages(
    client: Client, engine: AsyncEngine, wanted: Wanted, begin: Position
) -> AsyncIterator[Page]:
    if begin.phase is Phase.HISTORIES:
        async for page in _listed(client, wanted, begin.after):
            yield page
        begin = Position(phase=Phase.ROWS)
    repairs, store = Repairs(engine), EventStore(engine)
    if begin.phase is Phase.ROWS:
        after = begin.after
        while ids := await repairs.row_ids(after=after, limit=PAGE):
            after = ids[-1]
            yield Page(ids, Position(phase=Phase.ROWS, after=after), kept=True)
        begin = Position(phase=Phase.EVENTS)
    after = begin.after
    while ids := await store.saga_ids(after=after, limit=PAGE, without_row=True):
        after = ids[-1]
        yield Page(ids, Position(phase=Phase.EVENTS, after=after), kept=True)


async def _listed(client: Client, wanted: Wanted, token: str) -> AsyncIterator[Page]:
    listing = client.list_workflows(
        wanted.query, page_size=PAGE, next_page_token=bytes.fromhex(token) or None
    )
    while True:
        await listing.fetch_next_page()
        ids = [execution.id for execution in listing.current_page or ()]
        if not (following := listing.next_page_token):
            yield Page(ids, Position(phase=Phase.ROWS))
            return
        yield Page(ids, Position(phase=Phase.HISTORIES, after=following.hex()))
