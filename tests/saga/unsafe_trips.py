"""Sagas that no worker should run."""

from temporalio import workflow

from saga import Saga, SagaInput, SagaKind, SagaOutcome, SagaWorkflow, Step
from tests.saga.trips import TRIP, Book, Bookings, BookTrip, book_flight, send_tickets

book_hotel = Step(action=Bookings.book_hotel)


@workflow.defn(name=TRIP.workflow)
class HotelStays(SagaWorkflow[BookTrip]):
    """Its hotel has no undo."""

    kind = TRIP
    steps = (book_hotel, book_flight, send_tickets)

    @workflow.run
    async def run(self, start: SagaInput[BookTrip]) -> SagaOutcome:
        return await self.execute(start)

    async def flow(self, saga: Saga, trip: BookTrip) -> None:
        booking = Book(booking_id=trip.trip_id)
        await saga.step(book_hotel, booking)
        await saga.step(book_flight, booking)


@workflow.defn(failure_exception_types=[ValueError])
class FailsOnBug(SagaWorkflow[BookTrip]):
    """A bug in its code would close it, with nothing undone."""

    kind = SagaKind[BookTrip](name="trip", workflow="FailsOnBug")
    steps = (book_flight,)

    @workflow.run
    async def run(self, start: SagaInput[BookTrip]) -> SagaOutcome:
        return await self.execute(start)

    async def flow(self, saga: Saga, trip: BookTrip) -> None:
        await saga.step(book_flight, Book(booking_id=trip.trip_id))


class Undecorated(SagaWorkflow[BookTrip]):
    """No workflow, as nobody has decorated it."""

    kind = TRIP
    steps = (book_flight,)

    async def flow(self, saga: Saga, trip: BookTrip) -> None:
        await saga.step(book_flight, Book(booking_id=trip.trip_id))
