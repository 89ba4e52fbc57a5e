"""The projection: writes a saga's newest state to the read database."""

from typing import Protocol

from temporalio import activity

from saga import Batch, SagaState, Sink


class Projector(Protocol):
    """Writes states so that only a newer one replaces what is there."""

    async def project(self, state: SagaState) -> None:
        """Write the state of one saga."""


class ProjectionActivities:
    """Writes to the read database."""

    def __init__(self, projector: Projector) -> None:
        self._projector = projector

    @activity.defn
    async def project_saga(self, batch: Batch) -> None:
        """Write the saga's row, unless a newer one is there."""
        await self._projector.project(batch.state)


projection = Sink(name="projection", activity=ProjectionActivities.project_saga)
