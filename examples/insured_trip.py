"""A changed saga: since insurances are sold, a trip has one; trips under way go on without.

It is `examples.trip` after a change, under the same workflow type; see docs/changing-a-saga.md.
"""

from temporalio import activity, workflow

import saga
from examples import trip
from examples.trip import Book, Booked, BookTrip, answer, book_flight, book_hotel


class Insurer:
    @activity.defn
    async def insure(self, call: saga.Call[Book]) -> saga.Event[Booked]:
        return answer(call)

    @activity.defn
    async def cancel_insurance(self, call: saga.Call[Book]) -> saga.Event[Booked]:
        return answer(call)


insure = saga.Step(action=Insurer.insure, undo=saga.Undo(Insurer.cancel_insurance), optional=True)


@workflow.defn(name="TripSaga")
class InsuredTripSaga(saga.SagaWorkflow[BookTrip]):
    kind = trip.TripSaga.kind
    steps = (book_hotel, insure, book_flight)
    sinks = trip.TripSaga.sinks

    @workflow.run
    async def run(self, start: saga.SagaInput[BookTrip]) -> saga.SagaOutcome:
        return await self.execute(start)

    async def flow(self, port: saga.Saga, trip: BookTrip) -> None:
        await port.step(book_hotel, Book(what=trip.hotel))
        if port.patched("insurance"):
            await port.attempt(insure, Book(what=trip.trip_id))
        await port.step(book_flight, Book(what=trip.flight))


of = Insurer()
ACTIVITIES = [*trip.ACTIVITIES, of.insure, of.cancel_insurance]
