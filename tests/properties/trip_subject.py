"""A trip in which every policy of a step has its place."""

from temporalio import workflow

from activities.projection import projection
from saga import Saga, SagaInput, SagaKind, SagaOutcome, SagaWorkflow
from saga.testing import Subject
from tests.agency import Book
from tests.trips import BookTrip, book_car, book_flight, book_hotel, pay_trip, send_tickets

COURSE = ("book-flight", "book-hotel", "book-hotel~2", "book-car", "pay-trip", "send-tickets")


@workflow.defn(sandboxed=False)
class WholeTrip(SagaWorkflow[BookTrip]):
    """A flight (or else a train), two hotels beside it, a car if there is one; then it is paid."""

    kind = SagaKind[BookTrip](name="whole-trip", workflow="WholeTrip")
    steps = (book_flight, book_hotel, book_car, pay_trip, send_tickets)
    sinks = (projection,)

    @workflow.run
    async def run(self, start: SagaInput[BookTrip]) -> SagaOutcome:
        return await self.execute(start)

    async def flow(self, saga: Saga, trip: BookTrip) -> None:
        book = Book(trip_id=trip.trip_id)
        await saga.step(book_flight, book)
        for _hotel in range(2):
            await saga.step(book_hotel, book)
        car = await saga.attempt(book_car, book)
        await saga.step(pay_trip, Book(trip_id=trip.trip_id, seats=2 if car else 1))
        await saga.step(send_tickets, book)


TRIP = Subject(workflow=WholeTrip, command=lambda trip_id: BookTrip(trip_id=trip_id, plan="whole"))
