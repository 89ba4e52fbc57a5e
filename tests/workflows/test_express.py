"""The same flow inside one activity: the express lane, told by what the agency did."""

import asyncio
from uuid import uuid4

import pytest
from temporalio.activity import ActivityCancellationDetails
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment, WorkflowEnvironment
from temporalio.worker import Worker

from saga import Batch, Cause, SagaInput, Status, express, fold
from tests.trips import Agency, BookTrip, OutingSaga, TripSaga

WHOLE = ["book-flight", "book-hotel", "book-car", "pay-trip"]


@pytest.fixture
def agency() -> Agency:
    return Agency()


async def book(
    agency: Agency, plan: str = "whole", env: ActivityEnvironment | None = None
) -> Batch:
    start = SagaInput(command=BookTrip(trip_id="17", plan=plan))

    async def book_express() -> Batch:
        return await express(OutingSaga, start, agency.activities)

    return await (env or ActivityEnvironment()).run(book_express)


async def test_all_of_it(agency: Agency) -> None:
    booked = await book(agency)
    assert booked.state.status is Status.COMPLETED
    assert agency.ledger == WHOLE
    assert agency.keys("pay-trip") == ["pay-trip/do"]
    assert {call.saga_id for call in agency.calls} == {"outing-17"}
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
    agency.refuse = {"pay-trip", "give-hotel-back"}
    for _ in range(2):
        with pytest.raises(ApplicationError, match="stuck: give-hotel-back") as error:
            await book(agency)
        assert not error.value.non_retryable
    assert agency.ledger.count("give-car-back") == 1


@pytest.mark.parametrize("refuse", [[], ["pay-trip"], ["book-flight", "pay-trip"]], ids=str)
async def test_a_workflow_does_the_same(
    time_skipping: WorkflowEnvironment, refuse: list[str]
) -> None:
    inside, durable = Agency(), Agency()
    inside.refuse = durable.refuse = set(refuse)
    booked = await book(inside)
    queue = str(uuid4())
    async with Worker(
        time_skipping.client,
        task_queue=queue,
        workflows=[OutingSaga],
        activities=durable.activities,
    ):
        outcome = await time_skipping.client.execute_workflow(
            OutingSaga.run,
            SagaInput(command=BookTrip(trip_id="17", plan="whole")),
            id="outing-17",
            task_queue=queue,
        )
    assert inside.ledger == durable.ledger
    assert (booked.state.status, booked.state.steps) == (outcome.status, outcome.steps)
    assert [call.key for call in inside.calls] == [call.key for call in durable.calls]


async def test_what_it_can_not_keep_is_refused(agency: Agency) -> None:
    start = SagaInput(command=BookTrip(trip_id="17", plan="whole"))
    with pytest.raises(ValueError, match="TripSaga has a pivot"):
        await express(TripSaga, start, agency.activities)
    given = [it for it in agency.activities if it.__name__ != "give_train_back"]
    with pytest.raises(ValueError, match="activities are missing: give_train_back"):
        await express(OutingSaga, start, given)


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
