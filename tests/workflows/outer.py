"""Workflows that tell what they and all that they start belong to; one of them is no saga."""

import asyncio
from datetime import timedelta

from temporalio import activity, workflow

from runtime.correlation import current
from saga import Saga, SagaInput, SagaKind, SagaOutcome, SagaWorkflow
from tests.trips import BookTrip, book_flight

SOON = timedelta(seconds=10)

Ids = dict[str, str]


@activity.defn
async def notify(_text: str) -> Ids:
    """An activity that takes no call."""
    await asyncio.sleep(0.01)
    return current().members


@workflow.defn
class Inner:
    @workflow.run
    async def run(self, text: str) -> Ids:
        return await workflow.execute_activity(notify, text, start_to_close_timeout=SOON)


@workflow.defn
class Outer:
    """No saga; tells what its own tasks, its activities and its children belong to."""

    def __init__(self) -> None:
        self._asked: Ids | None = None

    @workflow.run
    async def run(self, text: str) -> list[Ids]:
        await workflow.wait_condition(lambda: self._asked is not None)
        return [
            current().members,
            await workflow.execute_activity(notify, text, start_to_close_timeout=SOON),
            await workflow.execute_local_activity(notify, text, start_to_close_timeout=SOON),
            await workflow.execute_child_workflow(Inner.run, text, id=f"inner-{workflow.uuid4()}"),
            self._asked or {},
        ]

    @workflow.signal
    def ask(self) -> None:
        self._asked = current().members


@workflow.defn
class FaultySaga(SagaWorkflow[BookTrip]):
    """A saga whose flow has a bug."""

    kind = SagaKind[BookTrip](name="faulty", workflow="FaultySaga")
    steps = (book_flight,)

    @workflow.run
    async def run(self, start: SagaInput[BookTrip]) -> SagaOutcome:
        return await self.execute(start)

    async def flow(self, saga: Saga, trip: BookTrip) -> None:
        raise KeyError(trip.plan)
