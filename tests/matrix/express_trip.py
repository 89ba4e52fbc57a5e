"""A trip in the express lane, with what an order has not: optional and fallback steps, a probe."""

from temporalio import workflow
from typing_extensions import override

with workflow.unsafe.imports_passed_through():
    from saga import Lane, Saga, SagaInput, SagaKind, SagaOutcome, SagaWorkflow
    from saga.testing import Subject
    from tests.matrix.trip import (
        Book,
        BookTrip,
        TripSaga,
        book_car,
        book_flight,
        book_hotel,
        insure,
        look_up_trip,
        pay,
        send_ticket,
    )


@workflow.defn
class ExpressTripSaga(SagaWorkflow[BookTrip]):
    """One step after the other, since a lane ends where steps are done in parallel."""

    kind = SagaKind[BookTrip](name="express-trip", workflow="ExpressTripSaga", express=True)
    steps = TripSaga.steps

    @workflow.run
    @override
    async def run(self, start: SagaInput[BookTrip]) -> SagaOutcome:
        return await self.execute(start)

    @override
    async def flow(self, saga: Saga, trip: BookTrip) -> None:
        booking = Book(booking_id=trip.trip_id)
        await saga.step(look_up_trip, booking)
        await saga.step(book_hotel, booking)
        await saga.step(book_car, booking)
        await saga.attempt(insure, booking)
        await saga.step(pay, booking)
        await saga.step(book_flight, booking)
        await saga.step(send_ticket, booking)


SUBJECT = Subject(
    workflow=ExpressTripSaga,
    command=lambda trip_id: BookTrip(trip_id=trip_id),
    lane=Lane.EXPRESS,
)
