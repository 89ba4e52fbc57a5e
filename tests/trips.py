"""A saga in another domain than orders, whose plans use every policy of a step."""

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from saga import (
    Headline,
    Policy,
    Saga,
    SagaCommand,
    SagaInput,
    SagaKind,
    SagaOutcome,
    SagaWorkflow,
    Step,
    StepRefused,
    Undo,
)
from tests.agency import Agency, Book, Booked, GiveBack

BRIEF = Policy(
    attempt_timeout=timedelta(seconds=2),
    first_pause=timedelta(milliseconds=10),
    longest_pause=timedelta(milliseconds=10),
    max_attempts=3,
)


class BookTrip(SagaCommand):
    trip_id: str
    plan: str
    """What the flow does; see `TripSaga.flow`."""

    def headline(self) -> Headline:
        return Headline(business_id=self.trip_id)


def give_back(book: Book) -> GiveBack:
    return GiveBack(trip_id=book.trip_id)


def sent_by_hand(book: Book) -> Booked:
    return Booked(booking_id=f"{book.trip_id}-by-hand", seats=book.seats)


book_train = Step(
    action=Agency.book_train, undo=Undo(Agency.give_train_back, give_back, policy=BRIEF)
)
book_flight = Step(
    action=Agency.book_flight,
    undo=Undo(Agency.give_flight_back, give_back, policy=BRIEF),
    policy=BRIEF,
    fallback=book_train,
    probe=Agency.find_flight,
)
book_hotel = Step(
    action=Agency.book_hotel,
    undo=Undo(Agency.give_hotel_back, give_back, policy=BRIEF, holds_up=False),
    policy=BRIEF,
    expires_after=timedelta(hours=1),
    undo_registered="after",
)
book_car = Step(
    action=Agency.book_car,
    undo=Undo(Agency.give_car_back, give_back, policy=BRIEF),
    optional=True,
)
pay_trip = Step(
    action=Agency.pay_trip,
    undo=Undo(Agency.take_payment_back, give_back, policy=BRIEF),
    pivot=True,
    policy=BRIEF,
)
send_tickets = Step(
    action=Agency.send_tickets, policy=BRIEF, probe=Agency.find_tickets, by_hand=sent_by_hand
)


@workflow.defn
class TripSaga(SagaWorkflow[BookTrip]):
    """Each plan is a story of its own."""

    kind = SagaKind[BookTrip](name="trip", workflow="TripSaga")
    steps = (book_flight, book_hotel, book_car, pay_trip, send_tickets)

    @workflow.run
    async def run(self, start: SagaInput[BookTrip]) -> SagaOutcome:
        return await self.execute(start)

    async def flow(self, saga: Saga, trip: BookTrip) -> None:
        book = Book(trip_id=trip.trip_id)
        if trip.plan == "whole":
            await saga.step(book_flight, book)
            await saga.step(book_hotel, book)
            # Without a car the seats are one fewer.
            car = await saga.attempt(book_car, book)
            await saga.step(pay_trip, Book(trip_id=trip.trip_id, seats=2 if car else 1))
            sent = await saga.step(send_tickets, book)
            assert sent.seats > 0
        elif trip.plan in {"at once", "in turn"}:
            await saga.parallel(
                saga.step(book_flight, book),
                saga.step(book_hotel, book),
                undo_at_once=trip.plan == "at once",
            )
            await saga.step(pay_trip, book)
        elif trip.plan == "flight only":
            await saga.step(book_flight, book)
        elif trip.plan == "optional as required":
            await saga.step(book_car, book)
        elif trip.plan == "remembers a refusal after the pivot":
            try:
                await saga.step(book_hotel, book)
            except StepRefused:
                await saga.step(pay_trip, book)
                raise
        elif trip.plan == "raises after the pivot":
            await saga.step(pay_trip, book)
            raise ApplicationError("not foreseen")


pay_outing = Step(
    action=Agency.pay_trip, undo=Undo(Agency.take_payment_back, give_back, policy=BRIEF)
)


@workflow.defn
class OutingSaga(SagaWorkflow[BookTrip]):
    """A trip without a pivot, which may run inside one activity too."""

    kind = SagaKind[BookTrip](name="outing", workflow="OutingSaga")
    steps = (book_flight, book_hotel, book_car, pay_outing)

    @workflow.run
    async def run(self, start: SagaInput[BookTrip]) -> SagaOutcome:
        return await self.execute(start)

    async def flow(self, saga: Saga, trip: BookTrip) -> None:
        book = Book(trip_id=trip.trip_id)
        if trip.plan == "at once":
            await saga.parallel(saga.step(book_flight, book), saga.step(book_hotel, book))
        else:
            await saga.step(book_flight, book)
            await saga.step(book_hotel, book)
        await saga.attempt(book_car, book)
        await saga.step(pay_outing, book)
