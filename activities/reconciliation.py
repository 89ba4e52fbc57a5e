"""The reconciliation: compares the whole read model with the histories, and repairs it."""

import asyncio
from collections import Counter
from functools import partial
from typing import Self

from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity
from temporalio.client import Client

from read_model.drift import DriftKind
from read_model.rebuild import Rebuild, Report
from read_model.sources import Page, Position, Wanted, everything
from saga.history import read_saga

DRIFT_METRIC = "saga_read_model_drift"


class Reconciled(BaseModel):
    """What was looked at so far, and what has become of it."""

    model_config = ConfigDict(frozen=True)

    sagas: int = 0
    repaired: int = 0
    drift: dict[DriftKind, int] = {}
    position: Position = Position()
    """Where an attempt goes on that comes after this one."""

    def after(self, page: Page, report: Report) -> Self:
        """The sum with another page."""
        drift = Counter(self.drift) + Counter(one.kind for one in report.drift)
        return self.model_copy(
            update={
                "sagas": self.sagas + report.sagas,
                "repaired": self.repaired + report.repaired,
                "drift": dict(drift),
                "position": page.until,
            }
        )


class ReconciliationActivities:
    """Reads the histories of a server, and writes to the read database."""

    def __init__(self, client: Client, engine: AsyncEngine) -> None:
        self._client = client
        self._engine = engine

    @activity.defn
    async def reconcile_read_model(self, begin: Position) -> Reconciled:
        """Look at all sagas, and repair what differs; goes on where an attempt before it ended."""
        before = activity.info().heartbeat_details
        begun = Reconciled.model_validate(before[0]) if before else Reconciled(position=begin)
        rebuilding = Rebuild(self._engine, partial(read_saga, self._client))
        pages = everything(self._client, self._engine, Wanted(), begun.position)
        progress = _Progress(begun)
        beating = asyncio.create_task(progress.beat())
        try:
            async for page, report in rebuilding.pages(pages):
                progress.come_to(progress.done.after(page, report))
                _count(report)
        finally:
            beating.cancel()
        return progress.done


class _Progress:
    """Tells the server how far it has come, and that it is still there."""

    def __init__(self, done: Reconciled) -> None:
        self.done = done

    def come_to(self, done: Reconciled) -> None:
        self.done = done
        activity.heartbeat(done)

    async def beat(self) -> None:
        timeout = activity.info().heartbeat_timeout
        while timeout is not None:
            await asyncio.sleep(timeout.total_seconds() / 3)
            activity.heartbeat(self.done)


def _count(report: Report) -> None:
    counter = activity.metric_meter().create_counter(
        DRIFT_METRIC, "Where the read model said something else than its sagas' logs."
    )
    for kind, count in Counter(one.kind for one in report.drift).items():
        counter.add(count, {"kind": kind})
