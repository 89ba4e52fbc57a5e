"""Trips that are booked to have their histories: `examples.trip`, before and after a change."""

from types import ModuleType
from uuid import uuid4

from temporalio.client import Client, WorkflowHistory
from temporalio.worker import Worker

from examples.trip import BookTrip
from saga import SagaInput, Sagas
from saga.named import activities_of, sagas_named
from tests.fakes import FakeReadDatabase


async def booked(client: Client, module: ModuleType) -> WorkflowHistory:
    """The history of a trip that the module's saga has booked."""
    queue = str(uuid4())
    [saga] = sagas_named(module.__name__)
    steps = Worker(
        client, task_queue=queue, workflows=[saga], activities=activities_of(module.__name__)
    )
    rows = Worker(
        client, task_queue=f"{queue}-projection", activities=[FakeReadDatabase().project_saga]
    )
    trip = BookTrip(trip_id=queue, hotel="Ritz", flight="LH1")
    async with steps, rows:
        started = await Sagas(client, queue).start(saga.kind, SagaInput(command=trip))
        handle = client.get_workflow_handle(started.saga_id)
        await handle.result()
        return await handle.fetch_history()
