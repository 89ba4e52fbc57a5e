"""What comes together in one workflow task, in the order in which the SDK takes it in."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from temporalio.exceptions import ApplicationError

from saga import FailureKind, Repair, RepairAction, Request, Saga, Status
from tests.agency import Book
from tests.trips import book_car, book_flight, book_hotel, book_train, pay_trip, send_tickets
from tests.turns import Turns

pytestmark = pytest.mark.asyncio(loop_scope="function")

BOOK = Book(trip_id="1")
OPERATOR = Request(by="op", reason="because")


@pytest_asyncio.fixture(loop_scope="function")
async def turns() -> AsyncIterator[Turns]:
    turns = Turns()
    yield turns
    await turns.end()


def tell(turns: Turns, *steps: str) -> asyncio.Task[None]:
    by_name = {it.name: it for it in (book_flight, book_hotel, book_train, pay_trip, send_tickets)}

    async def story() -> None:
        for step in steps:
            if step == book_car.name:
                await turns.orchestrator.attempt(book_car, BOOK)
            else:
                await turns.orchestrator.step(by_name[step], BOOK)

    return asyncio.create_task(turns.orchestrator.execute(story))


def repair(step: str, action: RepairAction) -> Repair:
    return Repair(by="op", reason="because", step=step, action=action)


async def until_undo_is_stuck(turns: Turns, kind: FailureKind) -> None:
    await turns.task()
    turns.done("book-train")
    await turns.task()
    turns.fail("pay-trip", FailureKind.REFUSED)
    await turns.task()
    turns.fail("give-train-back", kind)
    await turns.task()
    assert turns.log.state.status is Status.STUCK


async def test_a_decision_stands_though_the_next_attempt_was_due(turns: Turns) -> None:
    story = tell(turns, "book-train", "pay-trip")
    await until_undo_is_stuck(turns, FailureKind.BUG)
    deciding = asyncio.create_task(
        turns.orchestrator.repair(repair("give-train-back", RepairAction.SKIP))
    )
    await asyncio.sleep(0)
    turns.fire("give-train-back again")
    await turns.task()
    assert (await deciding).accepted
    await story
    assert turns.sent.count("give-train-back") == 1


async def test_the_second_of_two_decisions_is_refused(turns: Turns) -> None:
    story = tell(turns, "book-train", "pay-trip")
    await until_undo_is_stuck(turns, FailureKind.REFUSED)
    first, second = (
        asyncio.create_task(turns.orchestrator.repair(repair("give-train-back", action)))
        for action in (RepairAction.SKIP, RepairAction.RETRY)
    )
    await turns.task()
    assert (await first).accepted
    with pytest.raises(ApplicationError, match="has been decided"):
        await second
    await story


async def test_a_pause_that_comes_with_the_next_attempt_holds_it(turns: Turns) -> None:
    story = tell(turns, "book-train", "pay-trip")
    await until_undo_is_stuck(turns, FailureKind.BUG)

    # A handler waits until the saga runs, and so acts when conditions are looked at.
    async def pause() -> None:
        await turns.wait_for(lambda: True)
        await turns.orchestrator.course.pause(OPERATOR)

    pausing = asyncio.create_task(pause())
    await asyncio.sleep(0)
    turns.fire("give-train-back again")
    await turns.task()
    await pausing
    assert turns.sent.count("give-train-back") == 1
    await turns.orchestrator.course.resume(OPERATOR)
    await turns.task()
    turns.done("give-train-back")
    await turns.task()
    await story


async def test_a_pause_while_it_asks_again_after_a_reset_holds_the_next_call(turns: Turns) -> None:
    story = tell(turns, "book-train", "book-flight", "pay-trip")
    await turns.task()
    turns.done("book-train")
    await turns.task()
    turns.reset += 1
    turns.done("book-flight")
    await turns.task()
    assert turns.sent == ["book-train", "book-flight", "book-train"]
    await turns.orchestrator.course.pause(OPERATOR)
    turns.done("book-train")
    await turns.task()
    assert turns.sent == ["book-train", "book-flight", "book-train"]
    await turns.orchestrator.course.resume(OPERATOR)
    for name in ("book-flight", "pay-trip"):
        await turns.task()
        turns.done(name)
    await turns.task()
    await story


async def test_a_saga_without_a_pivot_asks_again_before_it_completes(turns: Turns) -> None:
    story = tell(turns, "book-train")
    await turns.task()
    turns.reset += 1
    turns.done("book-train")
    await turns.task()
    assert turns.sent == ["book-train", "book-train"]
    turns.fail("book-train", FailureKind.REFUSED, "urn:problem:undone")
    await turns.task()
    turns.done("give-train-back")
    await turns.task()
    await story
    assert turns.log.state.status is Status.COMPENSATED


async def test_an_optional_step_that_is_refused_when_mended_is_not_stuck(turns: Turns) -> None:
    story = tell(turns, "pay-trip", "book-car", "send-tickets")
    await turns.task()
    turns.done("pay-trip")
    await turns.task()
    turns.fail("book-car", FailureKind.BUG)
    await turns.task()
    turns.fire("book-car again")
    await turns.task()
    turns.fail("book-car", FailureKind.REFUSED)
    await turns.task()
    assert turns.log.state.status is Status.RUNNING
    turns.done("send-tickets")
    await turns.task()
    await story


async def test_what_another_content_was_done_by_the_key_of_is_undone(turns: Turns) -> None:
    story = tell(turns, "book-train")
    await turns.task()
    turns.fail("book-train", FailureKind.REFUSED, "urn:problem:key-reused")
    await turns.task()
    assert turns.sent == ["book-train", "give-train-back"]
    turns.done("give-train-back")
    await turns.task()
    await story


async def test_no_pivot_runs_beside_a_step_that_is_stuck(turns: Turns) -> None:
    saga: Saga = turns.orchestrator

    async def whole() -> None:
        await saga.parallel(saga.step(book_train, BOOK), pivotal())

    async def pivotal() -> None:
        await saga.step(book_hotel, BOOK)
        await saga.step(pay_trip, BOOK)

    story = asyncio.create_task(turns.orchestrator.execute(whole))
    await turns.task()
    turns.fail("book-train", FailureKind.BUG)
    await turns.task()
    turns.done("book-hotel")
    await turns.task()
    assert "pay-trip" not in turns.sent
    story.cancel()


async def test_what_a_story_left_running_does_not_hold_up_its_undo(turns: Turns) -> None:

    async def whole() -> None:
        await asyncio.gather(
            turns.orchestrator.step(book_train, BOOK), turns.orchestrator.step(book_hotel, BOOK)
        )

    story = asyncio.create_task(turns.orchestrator.execute(whole))
    await turns.task()
    turns.fail("book-hotel", FailureKind.REFUSED)
    await turns.task()
    # The call under way is cancelled: nobody else would end one that is tried without a limit.
    assert turns.sent[-1] == "give-train-back"
    turns.done("give-train-back")
    await turns.task()
    await story


async def test_a_stuck_step_that_a_story_left_running_takes_no_repair_from_its_undo(
    turns: Turns,
) -> None:

    async def whole() -> None:
        await asyncio.gather(
            turns.orchestrator.step(book_train, BOOK), turns.orchestrator.step(book_hotel, BOOK)
        )

    story = asyncio.create_task(turns.orchestrator.execute(whole))
    await turns.task()
    turns.fail("book-train", FailureKind.BUG)
    await turns.task()
    turns.fail("book-hotel", FailureKind.REFUSED)
    await turns.task()
    turns.fail("give-train-back", FailureKind.REFUSED)
    await turns.task()
    turns.fire("book-train again")
    await turns.task()
    deciding = asyncio.create_task(
        turns.orchestrator.repair(repair("give-train-back", RepairAction.SKIP))
    )
    await turns.task()
    assert (await deciding).accepted
    await story
