"""The projection: writes a saga's newest state and its events to the read database."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from temporalio import activity

from saga import Batch, SagaState, Sink
from saga.state import AnyEvent


class Projector(Protocol):
    """Writes states so that only a newer one replaces what is there, and keeps all events."""

    async def project(self, state: SagaState, events: Sequence[AnyEvent]) -> None:
        """Write the state of one saga and append its events, both or neither."""


class ProjectionActivities:
    """Writes to the read database."""

    def __init__(self, projector: Projector) -> None:
        self._projector = projector

    @activity.defn
    async def project_saga(self, batch: Batch) -> None:
        """Write the saga's row, unless a newer one is there, and append what is new."""
        await self._projector.project(batch.state, batch.events)


projection = Sink(
    name="projection",
    activity=ProjectionActivities.project_saga,
    local=timedelta(milliseconds=200),
)
