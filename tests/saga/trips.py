"""A saga of another domain: a trip, safe as it is declared here."""

from typing import Any, ClassVar, Self

from temporalio import activity, workflow
from typing_extensions import override

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


class BookTrip(SagaCommand):
    trip_id: str

    @override
    def headline(self) -> Headline:
        return Headline(business_id=self.trip_id)


class Book(Command):
    """Books anything; what it is, the activity says."""

    booking_id: str


class Cancel(Command):
    booking_id: str

    @classmethod
    def undoing(cls, booked: Book) -> Self:
        return cls(booking_id=booked.booking_id)


class Booked(DomainEvent):
    aggregate_type: ClassVar[str] = "Booking"
    booking_id: str

    @property
    @override
    def aggregate_id(self) -> str:
        return self.booking_id


class Bookings:
    """Declared, and never called."""

    @activity.defn
    async def book_hotel(self, call: Call[Book]) -> Event[Booked]:
        raise NotImplementedError

    @activity.defn
    async def cancel_hotel(self, call: Call[Cancel]) -> Event[Booked]:
        raise NotImplementedError

    @activity.defn
    async def book_hostel(self, call: Call[Book]) -> Event[Booked]:
        raise NotImplementedError

    @activity.defn
    async def cancel_hostel(self, call: Call[Cancel]) -> Event[Booked]:
        raise NotImplementedError

    @activity.defn
    async def book_flight(self, call: Call[Book]) -> Event[Booked]:
        raise NotImplementedError

    @activity.defn
    async def find_flight(self, call: Call[Book]) -> Event[Booked]:
        raise NotImplementedError

    @activity.defn
    async def cancel_flight(self, call: Call[Cancel]) -> Event[Booked]:
        raise NotImplementedError

    @activity.defn
    async def send_tickets(self, call: Call[Book]) -> Event[Booked]:
        raise NotImplementedError

    @activity.defn
    async def ask_weather(self, call: Call[Book]) -> Event[Booked]:
        raise NotImplementedError

    async def dream(self, call: Call[Book]) -> Event[Booked]:
        """No activity, as nobody has decorated it."""
        raise NotImplementedError

    @property
    def all(self) -> list[Any]:
        return [
            *(self.book_hotel, self.cancel_hotel, self.book_hostel, self.cancel_hostel),
            *(self.book_flight, self.find_flight, self.cancel_flight),
            *(self.send_tickets, self.ask_weather),
        ]


cancel_hotel = Undo(Bookings.cancel_hotel, Cancel.undoing, holds_up=False)
cancel_hostel = Undo(Bookings.cancel_hostel, Cancel.undoing)
cancel_flight = Undo(Bookings.cancel_flight, Cancel.undoing)

ask_weather = Step(action=Bookings.ask_weather, has_effect=False, optional=True)
book_hostel = Step(action=Bookings.book_hostel, undo=cancel_hostel)
book_hotel = Step(action=Bookings.book_hotel, undo=cancel_hotel, fallback=book_hostel)
book_flight = Step(
    action=Bookings.book_flight, undo=cancel_flight, probe=Bookings.find_flight, pivot=True
)
send_tickets = Step(action=Bookings.send_tickets)

TRIP = SagaKind[BookTrip](name="trip", workflow="TripSaga")


@workflow.defn(name=TRIP.workflow)
class TripSaga(SagaWorkflow[BookTrip]):
    """A trip, with all that a step may declare."""

    kind = TRIP
    steps = (ask_weather, book_hotel, book_flight, send_tickets)

    @workflow.run
    async def run(self, start: SagaInput[BookTrip]) -> SagaOutcome:
        return await self.execute(start)

    async def flow(self, saga: Saga, trip: BookTrip) -> None:
        booking = Book(booking_id=trip.trip_id)
        await saga.attempt(ask_weather, booking)
        await saga.step(book_hotel, booking)
        await saga.step(book_flight, booking)
        await saga.step(send_tickets, booking)
