"""A trip: a hotel and a flight, both or neither."""

from datetime import UTC, datetime

from temporalio import activity, workflow

import saga
from activities.projection import projection


class BookTrip(saga.SagaCommand):
    trip_id: str
    hotel: str
    flight: str

    def headline(self) -> saga.Headline:
        return saga.Headline(business_id=self.trip_id)


class Book(saga.Command):
    what: str


class Booked(saga.DomainEvent):
    aggregate_type = "Booking"
    what: str

    @property
    def aggregate_id(self) -> str:
        return self.what


class Agency:  # Stands for services of yours, which must know a repeated call by `call.key`.
    @activity.defn
    async def book_hotel(self, call: saga.Call[Book]) -> saga.Event[Booked]:
        return answer(call)

    @activity.defn
    async def cancel_hotel(self, call: saga.Call[Book]) -> saga.Event[Booked]:
        return answer(call)

    @activity.defn
    async def book_flight(self, call: saga.Call[Book]) -> saga.Event[Booked]:
        if call.command.what == "full":
            raise saga.refused(call, "urn:problem:full", "No seat is left.")
        return answer(call)

    @activity.defn
    async def cancel_flight(self, call: saga.Call[Book]) -> saga.Event[Booked]:
        return answer(call)


def answer(call: saga.Call[Book]) -> saga.Event[Booked]:
    booked = Booked(what=call.command.what)
    return saga.answered(call, booked, version=1, occurred_at=datetime.now(UTC))


book_hotel = saga.Step(action=Agency.book_hotel, undo=saga.Undo(Agency.cancel_hotel))
book_flight = saga.Step(action=Agency.book_flight, undo=saga.Undo(Agency.cancel_flight), pivot=True)


@workflow.defn
class TripSaga(saga.SagaWorkflow[BookTrip]):
    kind = saga.SagaKind[BookTrip](name="trip", workflow="TripSaga")
    steps = (book_hotel, book_flight)
    sinks = (projection,)

    @workflow.run
    async def run(self, start: saga.SagaInput[BookTrip]) -> saga.SagaOutcome:
        return await self.execute(start)

    async def flow(self, port: saga.Saga, trip: BookTrip) -> None:
        await port.step(book_hotel, Book(what=trip.hotel))
        await port.step(book_flight, Book(what=trip.flight))


of = Agency()
ACTIVITIES = [of.book_hotel, of.cancel_hotel, of.book_flight, of.cancel_flight]
