"""Another saga than the order's, with all that a step may declare, and no sink at all."""

from typing import ClassVar

from temporalio import activity, workflow
from typing_extensions import override

with workflow.unsafe.imports_passed_through():
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
        SagaWorkflow,
        Step,
        Undo,
    )
    from saga.testing import Subject


class BookTrip(SagaCommand):
    trip_id: str

    @override
    def headline(self) -> Headline:
        return Headline(business_id=self.trip_id)


class Book(Command):
    booking_id: str


class CancelBooking(Command):
    booking_id: str

    @classmethod
    def undoing(cls, booked: Book) -> "CancelBooking":
        return cls(booking_id=booked.booking_id)


class Booked(DomainEvent):
    aggregate_type: ClassVar[str] = "Booking"

    booking_id: str
    seats: tuple[int, ...]
    note: str | None

    @property
    @override
    def aggregate_id(self) -> str:
        return self.booking_id


class Bookings:
    """What the participants are asked; never called, since their hints are enough."""

    @activity.defn
    async def look_up_trip(self, call: Call[Book]) -> Event[Booked]:
        raise NotImplementedError

    @activity.defn
    async def book_hotel(self, call: Call[Book]) -> Event[Booked]:
        raise NotImplementedError

    @activity.defn
    async def cancel_hotel(self, call: Call[CancelBooking]) -> Event[Booked]:
        raise NotImplementedError

    @activity.defn
    async def book_car(self, call: Call[Book]) -> Event[Booked]:
        raise NotImplementedError

    @activity.defn
    async def cancel_car(self, call: Call[CancelBooking]) -> Event[Booked]:
        raise NotImplementedError

    @activity.defn
    async def insure(self, call: Call[Book]) -> Event[Booked]:
        raise NotImplementedError

    @activity.defn
    async def cancel_insurance(self, call: Call[CancelBooking]) -> Event[Booked]:
        raise NotImplementedError

    @activity.defn
    async def pay_by_card(self, call: Call[Book]) -> Event[Booked]:
        raise NotImplementedError

    @activity.defn
    async def pay_by_invoice(self, call: Call[Book]) -> Event[Booked]:
        raise NotImplementedError

    @activity.defn
    async def pay_card_back(self, call: Call[CancelBooking]) -> Event[Booked]:
        raise NotImplementedError

    @activity.defn
    async def cancel_invoice(self, call: Call[CancelBooking]) -> Event[Booked]:
        raise NotImplementedError

    @activity.defn(name="BookFlightForGood")
    async def book_flight(self, call: Call[Book]) -> Event[Booked]:
        raise NotImplementedError

    @activity.defn
    async def find_flight(self, call: Call[Book]) -> Event[Booked]:
        raise NotImplementedError

    @activity.defn
    async def cancel_flight(self, call: Call[CancelBooking]) -> Event[Booked]:
        raise NotImplementedError

    @activity.defn
    async def send_ticket(self, call: Call[Book]) -> Event[Booked]:
        raise NotImplementedError


TRIP = SagaKind[BookTrip](name="trip", workflow="TripSaga")

look_up_trip = Step(action=Bookings.look_up_trip, has_effect=False)
book_hotel = Step(
    action=Bookings.book_hotel, undo=Undo(Bookings.cancel_hotel, CancelBooking.undoing)
)
book_car = Step(action=Bookings.book_car, undo=Undo(Bookings.cancel_car, CancelBooking.undoing))
insure = Step(
    action=Bookings.insure,
    undo=Undo(Bookings.cancel_insurance, CancelBooking.undoing, holds_up=False),
    optional=True,
)
pay = Step(
    action=Bookings.pay_by_card,
    undo=Undo(Bookings.pay_card_back, CancelBooking.undoing),
    fallback=Step(
        action=Bookings.pay_by_invoice, undo=Undo(Bookings.cancel_invoice, CancelBooking.undoing)
    ),
)
book_flight = Step(
    action=Bookings.book_flight,
    undo=Undo(Bookings.cancel_flight, CancelBooking.undoing),
    pivot=True,
    probe=Bookings.find_flight,
)
send_ticket = Step(action=Bookings.send_ticket)


@workflow.defn(name=TRIP.workflow)
class TripSaga(SagaWorkflow[BookTrip]):
    kind = TRIP
    steps = (look_up_trip, book_hotel, book_car, insure, pay, book_flight, send_ticket)

    @workflow.run
    async def run(self, start: SagaInput[BookTrip]) -> SagaOutcome:
        return await self.execute(start)

    async def flow(self, saga: Saga, trip: BookTrip) -> None:
        booking = Book(booking_id=trip.trip_id)
        await saga.step(look_up_trip, booking)
        await saga.parallel(
            saga.step(book_hotel, booking), saga.step(book_car, booking), undo_at_once=True
        )
        await saga.attempt(insure, booking)
        await saga.step(pay, booking)
        await saga.step(book_flight, booking)
        await saga.step(send_ticket, booking)


SUBJECT = Subject(
    workflow=TripSaga,
    command=lambda trip_id: BookTrip(trip_id=trip_id),
    at_once=(frozenset({"book-hotel", "book-car"}),),
)
