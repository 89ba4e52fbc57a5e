"""Versioned workers: a saga ends on the version that it began on, a new one begins on the current.

The worker of the projection has no versions: it serves all of them.
"""

import asyncio
from uuid import uuid4

from temporalio import activity
from temporalio.api.workflowservice.v1 import SetWorkerDeploymentCurrentVersionRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from examples import insured_trip
from examples.trip import ACTIVITIES, Book, Booked, BookTrip, TripSaga, answer
from saga import Call, Event, SagaInput, SagaOutcome, Sagas
from tests.fakes import FakeReadDatabase
from workers.sagas import saga_worker


class SlowAgency:
    """Books a hotel when the test says so."""

    def __init__(self) -> None:
        self.asked, self.answers = asyncio.Event(), asyncio.Event()

    @activity.defn
    async def book_hotel(self, call: Call[Book]) -> Event[Booked]:
        self.asked.set()
        await self.answers.wait()
        return answer(call)


async def make_current(client: Client, deployment: str, build_id: str) -> None:
    """As `temporal worker deployment set-current-version`, once the server knows the worker."""
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=client.namespace, deployment_name=deployment, build_id=build_id, identity="test"
    )
    async with asyncio.timeout(20):
        while True:
            try:
                await client.workflow_service.set_worker_deployment_current_version(request)
            except RPCError:
                await asyncio.sleep(0.1)
            else:
                return


async def book(client: Client, queue: str, trip_id: str) -> WorkflowHandle[object, SagaOutcome]:
    command = BookTrip(trip_id=trip_id, hotel="Ritz", flight="LH1")
    started = await Sagas(client, queue).start(TripSaga.kind, SagaInput(command=command))
    return client.get_workflow_handle(started.saga_id, result_type=SagaOutcome)


async def test_a_saga_stays_with_its_version(dev_server: WorkflowEnvironment) -> None:
    client, queue, deployment = dev_server.client, str(uuid4()), f"trips-{uuid4()}"
    agency = SlowAgency()
    slow = [agency.book_hotel, *(it for it in ACTIVITIES if it.__name__ != "book_hotel")]
    before = saga_worker(client, queue, slow, [TripSaga], (deployment, "1"))
    after = saga_worker(
        client,
        queue,
        insured_trip.ACTIVITIES,
        [insured_trip.InsuredTripSaga],
        (deployment, "2"),
    )
    rows = Worker(
        client, task_queue=f"{queue}-projection", activities=[FakeReadDatabase().project_saga]
    )
    async with rows, before:
        await make_current(client, deployment, "1")
        under_way = await book(client, queue, f"old-{queue}")
        await agency.asked.wait()
        async with after:
            await make_current(client, deployment, "2")
            new = await book(client, queue, f"new-{queue}")
            assert list((await new.result()).steps) == ["book-hotel", "insure", "book-flight"]
            agency.answers.set()
            assert list((await under_way.result()).steps) == ["book-hotel", "book-flight"]
