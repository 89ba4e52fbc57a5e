"""A saga of another domain, as a user of the engine writes one: no word of it is in the project."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import uuid4

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    from activities.projection import ProjectionActivities, projection
    from read_model.database import open_database
    from read_model.migration import migrate
    from read_model.projector import SagaProjector
    from saga import (
        Call,
        Command,
        DomainEvent,
        Event,
        Headline,
        Saga,
        SagaCommand,
        SagaInput,
        SagaKind,
        SagaOutcome,
        Sagas,
        SagaWorkflow,
        Step,
        Undo,
        answered,
        refused,
    )


class BookTrip(SagaCommand):
    trip_id: str
    price_minor: int | None = 120_000
    bug: bool = False

    def headline(self) -> Headline:
        currency = None if self.price_minor is None else "EUR"
        return Headline(business_id=self.trip_id, amount_minor=self.price_minor, currency=currency)


class Book(Command):
    trip_id: str
    nights: int = 2


class Booked(DomainEvent):
    aggregate_type = "Booking"
    trip_id: str

    @property
    def aggregate_id(self) -> str:
        return self.trip_id


class Agency:
    """All that a trip needs; `full` names what it refuses."""

    def __init__(self) -> None:
        self.full: set[str] = set()
        self.hold = asyncio.Event()
        self.hold.set()
        self.nights: list[int] = []

    @activity.defn
    async def book_hotel(self, call: Call[Book]) -> Event[Booked]:
        await self.hold.wait()
        return self._book(call)

    @activity.defn
    async def cancel_hotel(self, call: Call[Book]) -> Event[Booked]:
        return self._book(call)

    @activity.defn
    async def book_flight(self, call: Call[Book]) -> Event[Booked]:
        return self._book(call)

    @activity.defn
    async def cancel_flight(self, call: Call[Book]) -> Event[Booked]:
        return self._book(call)

    def _book(self, call: Call[Book]) -> Event[Booked]:
        if call.name in self.full:
            raise refused(call, "urn:trips:full", f"no {call.name} today")
        self.nights.append(call.command.nights)
        event = Booked(trip_id=call.command.trip_id)
        return answered(call, event, version=1, occurred_at=datetime.now(UTC))


TRIP = SagaKind[BookTrip](name="trip", workflow="TripSaga")
book_hotel = Step(action=Agency.book_hotel, undo=Undo(Agency.cancel_hotel))
book_flight = Step(action=Agency.book_flight, undo=Undo(Agency.cancel_flight), pivot=True)


@workflow.defn(name=TRIP.workflow)
class TripSaga(SagaWorkflow[BookTrip]):
    kind = TRIP
    steps = (book_hotel, book_flight)
    sinks = (projection,)

    @workflow.run
    async def run(self, start: SagaInput[BookTrip]) -> SagaOutcome:
        return await self.execute(start)

    async def flow(self, saga: Saga, trip: BookTrip) -> None:
        await saga.step(book_hotel, Book(trip_id=trip.trip_id))
        if trip.bug:
            raise ValueError("farewell\nand thanks")
        await saga.step(book_flight, Book(trip_id=trip.trip_id))


class Trips:
    """Where trips are booked, by a worker of their own."""

    def __init__(self, client: Client, database_url: str) -> None:
        self.client = client
        self.agency = Agency()
        self.task_queue = f"trips-{uuid4()}"
        self._database_url = database_url

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Have a worker."""
        engine = open_database(self._database_url)
        await migrate(engine)
        projector = ProjectionActivities(SagaProjector(engine))
        async with (
            Worker(
                self.client,
                task_queue=self.task_queue,
                workflows=[TripSaga],
                activities=[
                    self.agency.book_hotel,
                    self.agency.cancel_hotel,
                    self.agency.book_flight,
                    self.agency.cancel_flight,
                ],
            ),
            Worker(
                self.client,
                task_queue=f"{self.task_queue}-projection",
                activities=[projector.project_saga],
            ),
        ):
            yield
        await engine.dispose()

    async def book(self, trip: BookTrip) -> None:
        """Start the saga of a trip."""
        await Sagas(self.client, self.task_queue).start(TRIP, SagaInput(command=trip))
