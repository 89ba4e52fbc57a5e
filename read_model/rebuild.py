"""Compares the read model with the sagas' logs, and repairs it, while workers go on writing.

What is there is read before the history. So a row that is at another place than its history, and
is still the same after it, is no row that was only read too early. One that is behind an open saga
may yet be on its way: it is drift when it has not moved for `LAG`.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncEngine

from read_model.drift import (
    NOTHING,
    Drift,
    DriftKind,
    Found,
    Stored,
    compared,
    compared_with_events,
)
from read_model.projector import Told
from read_model.repair import Repair, Repairs
from read_model.sources import Page, Wanted
from runtime.errors import Unreadable
from saga.pump import LATER
from saga.state import AnyEvent, SagaState

LAG = LATER.total_seconds() + 2.0
"""Seconds in which a projection has to come after its saga: the longest it gathers, and two."""

_HISTORIES = 30
"""Read at once."""
_PAGES = 12
"""Under way at once: while some wait for `LAG`, others are read."""
_TRIES = 4


class History(Protocol):
    """A saga's history; see `saga.history`."""

    @property
    def closed(self) -> bool:
        """Whether the saga's newest run has ended."""

    @property
    def all_events(self) -> Sequence[AnyEvent]:
        """Those of every run."""

    @property
    def state(self) -> SagaState | None:
        """What the newest run's events add up to; None while there are none."""


Read = Callable[[str], Awaitable[History | None]]
"""Reads the history of the saga with an id; None when there is none, or no longer."""


@dataclass
class Report:
    """What was found, and what has become of it."""

    sagas: int = 0
    """How many were looked at; those of which nothing is known are not counted."""
    repaired: int = 0
    """Sagas of which something was repaired."""
    drift: list[Drift] = field(default_factory=list)

    def add(self, other: "Report") -> None:
        """Add another part of the whole."""
        self.sagas += other.sagas
        self.repaired += other.repaired
        self.drift += other.drift


@dataclass(frozen=True)
class _Look:
    """A first look at one saga."""

    saga_id: str
    stored: Stored
    found: Found
    settled: bool = True
    """Whether no projection of it can be under way."""
    known: bool = True
    """Whether anything is known of it."""


class Rebuild:
    """Looks at sagas by pages of their ids, and repairs them unless it is a rehearsal.

    Raises ServerUnreachable when the read database does not answer in time, and whatever `read`
    raises but a ValueError or Unreadable, which make a saga `unreadable`.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        read: Read,
        *,
        dry_run: bool = False,
        lag: float | None = None,
        wanted: Wanted | None = None,
    ) -> None:
        self._repairs = Repairs(engine)
        self._read = read
        self._dry_run = dry_run
        self._lag = LAG if lag is None else lag
        self._wanted = wanted or Wanted()
        self._gate = asyncio.Semaphore(_HISTORIES)

    async def pages(self, pages: AsyncIterator[Page]) -> AsyncIterator[tuple[Page, Report]]:
        """Look at the sagas of many pages at once; reports in the order of the pages."""
        under_way: deque[tuple[Page, asyncio.Task[Report]]] = deque()
        try:
            async for page in pages:
                task = asyncio.create_task(self.page(page.saga_ids, kept=page.kept))
                under_way.append((page, task))
                if len(under_way) == _PAGES:
                    first, report = under_way.popleft()
                    yield first, await report
            while under_way:
                first, report = under_way.popleft()
                yield first, await report
        finally:
            for _, task in under_way:
                task.cancel()
            await asyncio.gather(*(task for _, task in under_way), return_exceptions=True)

    async def page(self, saga_ids: Sequence[str], *, kept: bool = False) -> Report:
        """Look at some sagas, at most a thousand.

        `kept` are those that the read model itself names: where a row agrees with its events, no
        history is asked for.
        """
        looks = await self._looks(saga_ids, kept=kept)
        report = Report(sagas=sum(look.known for look in looks))
        moved = await self._settle(looks, report)
        for _ in range(_TRIES):
            if not moved:
                break
            moved = await self._settle(await self._looks(moved), report)
        # What moves each time is being written by its worker, and no drift.
        return report

    async def _looks(self, saga_ids: Sequence[str], *, kept: bool = False) -> Sequence[_Look]:
        stored = await self._repairs.stored(saga_ids)
        return await asyncio.gather(
            *(self._look(saga_id, stored[saga_id], kept=kept) for saga_id in saga_ids)
        )

    async def _look(self, saga_id: str, stored: Stored, *, kept: bool) -> _Look:
        if kept and not self._wanted(stored):
            return _Look(saga_id, stored, NOTHING, known=False)
        try:
            return await self._compare(saga_id, stored, kept=kept)
        except (ValueError, Unreadable) as error:
            why = " ".join(str(error).split())
            unreadable = Drift(saga_id, DriftKind.UNREADABLE, should_be=why)
            return _Look(saga_id, stored, Found(None, [unreadable]))

    async def _compare(self, saga_id: str, stored: Stored, *, kept: bool) -> _Look:
        if kept and not (found := compared_with_events(saga_id, stored)).drift:
            return _Look(saga_id, stored, found)
        async with self._gate:
            history = await self._read(saga_id)
        if history is None:
            known = stored.row is not None or bool(stored.events)
            return _Look(saga_id, stored, compared_with_events(saga_id, stored), known=known)
        if (state := history.state) is None:
            return _Look(saga_id, stored, NOTHING)
        found = compared(saga_id, stored, Told(state, history.all_events))
        return _Look(saga_id, stored, found, settled=history.closed)

    async def _settle(self, looks: Sequence[_Look], report: Report) -> list[str]:
        """Repair what still differs; the ids of sagas that have moved meanwhile."""
        looks = [look for look in looks if look.found.drift]
        if not looks:
            return []
        if not all(look.settled for look in looks):
            await asyncio.sleep(self._lag)
        stored = await self._repairs.stored([look.saga_id for look in looks])
        moved: list[str] = []
        repairs: list[Repair] = []
        for look in looks:
            now = stored[look.saga_id]
            found = _once_more(look, now)
            if found is None:
                moved.append(look.saga_id)
            elif found.told is None:
                report.drift += found.drift
            elif found.drift:
                repairs.append(Repair(found.told, now, found.drift))
        conflicts = set() if self._dry_run else await self._repairs.repair(repairs)
        done = [repair for repair in repairs if repair.saga_id not in conflicts]
        for repair in done:
            report.drift += repair.drift
        report.repaired += 0 if self._dry_run else len(done)
        return [*moved, *conflicts]


def _once_more(look: _Look, now: Stored) -> Found | None:
    """What still differs; None when the row has moved on, so that it is to be looked at anew."""
    unmoved = now.same_row(look.stored)
    if look.found.told is None:
        return look.found if unmoved else None
    found = compared(look.saga_id, now, look.found.told)
    return found if unmoved or not found.row_differs else None
