"""The same flow inside one activity: the express lane, told by what the agency did."""

import asyncio

import pytest
from temporalio.activity import ActivityCancellationDetails
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from saga import Batch, Cause, SagaInput, Status, express, fold
from tests.trips import Agency, BookTrip, TripSaga

WHOLE = ["book-flight", "book-hotel", "book-car", "pay-trip", "send-tickets"]


@pytest.fixture
def agency() -> Agency:
    return Agency()


async def book(
    agency: Agency, plan: str = "whole", env: ActivityEnvironment | None = None
) -> Batch:
    start = SagaInput(command=BookTrip(trip_id="17", plan=plan))

    async def book_express() -> Batch:
        return await express(TripSaga, start, agency.activities)

    return await (env or ActivityEnvironment()).run(book_express)


async def test_all_of_it(agency: Agency) -> None:
    booked = await book(agency)
    assert booked.state.status is Status.COMPLETED
    assert agency.ledger == WHOLE
    assert agency.keys("pay-trip") == ["pay-trip/do"]
    assert {call.saga_id for call in agency.calls} == {"trip-17"}
    assert fold(booked.events) == booked.state


async def test_what_is_refused_is_undone_in_reverse(agency: Agency) -> None:
    agency.refuse = {"book-flight", "pay-trip"}
    booked = await book(agency)
    assert booked.state.status is Status.COMPENSATED
    assert agency.ledger == [
        "book-train",
        "book-hotel",
        "book-car",
        "give-car-back",
        "give-hotel-back",
        "give-train-back",
    ]


@pytest.mark.parametrize("happens", [True, False])
async def test_a_lost_answer_is_asked_for(agency: Agency, happens: bool) -> None:
    agency.silent = {"book-flight": happens}
    booked = await book(agency)
    assert (booked.state.status is Status.COMPLETED) is happens
    assert agency.keys("find-flight") == ["book-flight/do"]


async def test_what_would_be_stuck_fails_the_attempt_and_the_next_goes_on(agency: Agency) -> None:
    agency.refuse = {"send-tickets"}
    with pytest.raises(ApplicationError, match="stuck: send-tickets") as error:
        await book(agency)
    assert not error.value.non_retryable
    with pytest.raises(ApplicationError, match="stuck: send-tickets"):
        await book(agency)
    assert agency.ledger == WHOLE[:-1]


async def test_an_attempt_after_a_crash_undoes_once(agency: Agency) -> None:
    agency.refuse = {"pay-trip", "give-hotel-back"}
    for _ in range(2):
        with pytest.raises(ApplicationError, match="stuck: give-hotel-back"):
            await book(agency)
    assert agency.ledger.count("give-car-back") == 1


@pytest.mark.parametrize("shutdown", [False, True])
async def test_a_cancel_compensates_and_a_shutdown_does_not(agency: Agency, shutdown: bool) -> None:
    env = ActivityEnvironment()
    agency.hold("book-hotel")
    booking = asyncio.create_task(book(agency, env=env))
    await agency.held.wait()
    details = ActivityCancellationDetails(cancel_requested=not shutdown, worker_shutdown=shutdown)
    env.cancel(details)
    if shutdown:
        with pytest.raises(asyncio.CancelledError):
            await booking
        assert agency.ledger == ["book-flight"]
    else:
        booked = await booking
        assert booked.state.cause is Cause.CANCELLED
        assert agency.ledger == ["book-flight", "give-flight-back"]


async def test_what_comes_after_a_cancel_cuts_off_no_undo(agency: Agency) -> None:
    env = ActivityEnvironment()
    agency.hold("book-hotel")
    booking = asyncio.create_task(book(agency, env=env))
    await agency.held.wait()
    agency.held.clear()
    agency.hold("give-flight-back")
    env.cancel()
    await agency.held.wait()
    booking.cancel()
    await asyncio.sleep(0)
    agency.let_go()
    booked = await booking
    assert booked.state.status is Status.COMPENSATED


async def test_a_shutdown_leaves_no_call_behind(agency: Agency) -> None:
    env = ActivityEnvironment()
    agency.hold("book-hotel")
    booking = asyncio.create_task(book(agency, "at once", env=env))
    await agency.held.wait()
    env.cancel(ActivityCancellationDetails(worker_shutdown=True))
    with pytest.raises(asyncio.CancelledError):
        await booking
    assert not [task for task in asyncio.all_tasks() if "_tried" in repr(task)]
