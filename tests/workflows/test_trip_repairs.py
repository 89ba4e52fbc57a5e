"""What a person does with a step that is stuck, and by which key it is asked for then."""

import asyncio

import pytest
from temporalio.client import WorkflowUpdateFailedError

from saga import RepairAction, Status, StepStatus
from tests.workflows.trip import Trip

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_refused_undo_is_tried_again_under_a_new_key(trip: Trip) -> None:
    trip.agency.refuse = {"pay-trip", "give-car-back"}
    handle = await trip.book()
    async with asyncio.timeout(30):
        await trip.stuck("book-car")
    trip.agency.refuse = set()
    await trip.repair("give-car-back", RepairAction.RETRY)
    assert (await handle.result()).status is Status.COMPENSATED
    assert trip.agency.keys("give-car-back") == ["book-car/undo", "book-car/undo~2"]


async def test_a_changed_undo_asks_by_the_old_key_first(trip: Trip) -> None:
    trip.agency.refuse = {"pay-trip", "give-car-back"}
    handle = await trip.book()
    async with asyncio.timeout(30):
        await trip.stuck("book-car")
    trip.agency.refuse = set()
    await trip.repair("give-car-back", RepairAction.REPLACE, account="A-2")
    assert (await handle.result()).status is Status.COMPENSATED
    assert trip.agency.keys("give-car-back") == ["book-car/undo"] * 2 + ["book-car/undo~2"]
    accounts = [call.command.account for call in trip.agency.calls if call.name == "give-car-back"]
    assert accounts == ["A-1", "A-1", "A-2"]


async def test_a_key_used_with_other_content_is_not_renewed(trip: Trip) -> None:
    trip.agency.refuse, trip.agency.reused = {"pay-trip"}, {"give-car-back"}
    handle = await trip.book()
    async with asyncio.timeout(30):
        await trip.stuck("book-car")
        await trip.repair("give-car-back", RepairAction.RETRY)
        await trip.stuck("book-car")
        await trip.repair("give-car-back", RepairAction.REPLACE, account="A-2")
        await trip.stuck("book-car")
    assert set(trip.agency.keys("give-car-back")) == {"book-car/undo"}
    await trip.repair("give-car-back", RepairAction.SKIP)
    assert (await handle.result()).status is Status.COMPENSATED


async def test_a_probe_tells_of_a_call_that_was_answered(trip: Trip) -> None:
    trip.agency.bugs = {"send-tickets"}
    handle = await trip.book()
    async with asyncio.timeout(30):
        await trip.stuck("send-tickets")
    trip.agency.bugs = set()
    await trip.repair("send-tickets", RepairAction.REPLACE, seats=3)
    assert (await handle.result()).status is Status.COMPLETED
    assert trip.agency.keys("find-tickets") == ["send-tickets/do"]
    assert trip.agency.keys("send-tickets")[-1] == "send-tickets/do~2"


async def test_no_probe_settles_a_call_that_may_still_arrive(trip: Trip) -> None:
    trip.agency.silent = {"send-tickets": False}
    handle = await trip.book()
    async with asyncio.timeout(30):
        await trip.stuck("send-tickets")
    trip.agency.silent = {}
    await trip.repair("send-tickets", RepairAction.REPLACE, seats=3)
    assert (await handle.result()).status is Status.COMPLETED
    assert trip.agency.keys("find-tickets") == []
    assert set(trip.agency.keys("send-tickets")) == {"send-tickets/do"}


async def test_what_happened_after_all_is_not_done_again(trip: Trip) -> None:
    trip.agency.refuse = {"pay-trip"}
    trip.agency.silent = {"give-car-back": True}
    handle = await trip.book()
    async with asyncio.timeout(30):
        await trip.stuck("book-car")
    trip.agency.silent = {}
    await trip.repair("give-car-back", RepairAction.REPLACE, account="A-2")
    assert (await handle.result()).status is Status.COMPENSATED
    assert set(trip.agency.keys("give-car-back")) == {"book-car/undo"}
    assert trip.agency.ledger.count("give-car-back") == 1


async def test_a_change_is_checked_before_it_is_taken(trip: Trip) -> None:
    trip.agency.refuse = {"pay-trip", "give-car-back"}
    handle = await trip.book()
    async with asyncio.timeout(30):
        await trip.stuck("book-car")
    with pytest.raises(WorkflowUpdateFailedError) as error:
        await trip.repair("give-car-back", RepairAction.REPLACE, acount="A-2")
    assert "acount: Extra inputs are not permitted" in str(error.value.cause)
    await trip.repair("give-car-back", RepairAction.SKIP)
    outcome = await handle.result()
    assert outcome.steps["book-car"] is StepStatus.SKIPPED


async def test_a_step_after_the_pivot_is_skipped_as_its_declaration_says(trip: Trip) -> None:
    trip.agency.refuse = {"send-tickets"}
    handle = await trip.book()
    async with asyncio.timeout(30):
        await trip.stuck("send-tickets")
    await trip.repair("send-tickets", RepairAction.SKIP)
    outcome = await handle.result()
    assert outcome.status is Status.COMPLETED
    assert outcome.steps["send-tickets"] is StepStatus.SKIPPED


async def test_a_refused_step_after_the_pivot_is_tried_again_under_a_new_key(trip: Trip) -> None:
    trip.agency.refuse = {"send-tickets"}
    handle = await trip.book()
    async with asyncio.timeout(30):
        await trip.stuck("send-tickets")
    trip.agency.refuse = set()
    await trip.repair("send-tickets", RepairAction.REPLACE, seats=3)
    assert (await handle.result()).status is Status.COMPLETED
    assert trip.agency.keys("send-tickets")[-1] == "send-tickets/do~2"
    assert trip.agency.calls[-1].command.seats == 3
