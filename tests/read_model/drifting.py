"""Histories that a read database is held against, some of them gone."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncEngine

from read_model.drift import DriftKind
from read_model.rebuild import Rebuild, Report
from saga import fold
from saga.state import SagaState, told_last
from tests.read_model.states import Log

LAG = 0.1
"""Seconds that a row may be behind its log."""
ALL = ("order-a", "order-b", "order-c")


@dataclass
class History:
    """What one saga has told."""

    all_events: Log
    closed: bool = True

    @property
    def state(self) -> SagaState | None:
        return fold(told_last(self.all_events)) if self.all_events else None


@dataclass
class Server:
    """The histories, which may be gone."""

    histories: dict[str, History] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """Sagas whose histories were read, in turn."""
    on_read: Callable[[str], Awaitable[None]] | None = None
    """What happens meanwhile."""

    async def read(self, saga_id: str) -> History | None:
        """What is found of a saga."""
        self.asked.append(saga_id)
        found = self.histories.get(saga_id)
        if self.on_read is not None:
            await self.on_read(saga_id)
        return found

    def rebuild(self, engine: AsyncEngine, *, dry_run: bool = False, lag: float = LAG) -> Rebuild:
        """A rebuild from these histories."""
        return Rebuild(engine, self.read, dry_run=dry_run, lag=lag)


def kinds(report: Report) -> list[tuple[str, DriftKind, str | None]]:
    """Which saga differs in what."""
    return sorted((it.saga_id, it.kind, it.field) for it in report.drift)
