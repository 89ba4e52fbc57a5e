"""What a step may declare: fallback, optional, probe, when and how its undo comes."""

import asyncio

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.testing import WorkflowEnvironment

from saga import RepairAction, Status, StepStatus
from tests.trips import BRIEF
from tests.workflows.trip import Trip, booking

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_all_of_it(trip: Trip) -> None:
    outcome = await trip.end()
    assert outcome.status is Status.COMPLETED
    assert trip.agency.ledger == [
        "book-flight",
        "book-hotel",
        "book-car",
        "pay-trip",
        "send-tickets",
    ]


async def test_a_refused_step_has_its_fallback_done(trip: Trip) -> None:
    trip.agency.refuse = {"book-flight", "pay-trip"}
    outcome = await trip.end()
    assert outcome.status is Status.COMPENSATED
    assert outcome.steps["book-flight"] is StepStatus.REFUSED
    assert trip.agency.ledger == [
        "book-train",
        "book-hotel",
        "book-car",
        "give-car-back",
        "give-hotel-back",
        "give-train-back",
    ]


async def test_what_was_undone_has_no_fallback(trip: Trip) -> None:
    trip.agency.undone = {"book-flight"}
    outcome = await trip.end()
    assert outcome.status is Status.COMPENSATED
    assert outcome.failure is not None
    assert outcome.failure.type == "urn:problem:undone"
    assert trip.agency.keys("book-train") == []


async def test_an_optional_step_may_be_refused(trip: Trip) -> None:
    trip.agency.refuse = {"book-car"}
    outcome = await trip.end()
    assert outcome.status is Status.COMPLETED
    assert outcome.steps["book-car"] is StepStatus.REFUSED
    [paid] = [call for call in trip.agency.calls if call.name == "pay-trip"]
    assert paid.command.seats == 1


async def test_a_probe_that_finds_the_effect_lets_the_saga_go_on(trip: Trip) -> None:
    trip.agency.silent = {"book-flight": True}
    outcome = await trip.end()
    assert outcome.status is Status.COMPLETED
    assert trip.agency.keys("find-flight") == ["book-flight/do"]
    assert trip.agency.ledger.count("book-flight") == 1


async def test_a_probe_that_finds_nothing_has_it_undone_all_the_same(trip: Trip) -> None:
    trip.agency.silent = {"book-flight": False}
    outcome = await trip.end()
    assert outcome.status is Status.COMPENSATED
    # What did not happen may still arrive: its key is barred.
    assert trip.agency.keys("give-flight-back") == ["book-flight/undo"]


async def test_a_probe_without_an_answer_needs_a_person(
    trip: Trip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("saga.calls.PROBE", BRIEF)
    trip.agency.silent = {"book-flight": True, "find-flight": True}
    handle = await trip.book()
    async with asyncio.timeout(30):
        await trip.stuck("book-flight")
    with pytest.raises(WorkflowUpdateFailedError) as error:
        await trip.repair("book-flight", RepairAction.SKIP)
    assert "cancel the saga instead" in str(error.value.cause)
    trip.agency.silent = {}
    await trip.repair("book-flight", RepairAction.RETRY)
    assert (await handle.result()).status is Status.COMPLETED
    assert trip.agency.ledger.count("book-flight") == 1


async def test_the_undo_of_a_reservation_is_registered_after_it(trip: Trip) -> None:
    trip.agency.silent = {"book-hotel": True}
    outcome = await trip.end()
    assert outcome.status is Status.COMPENSATED
    assert "give-hotel-back" not in trip.agency.ledger
    assert trip.agency.ledger[-1] == "give-flight-back"


async def test_a_stuck_undo_may_hold_up_no_other(trip: Trip) -> None:
    trip.agency.refuse = {"pay-trip", "give-hotel-back"}
    handle = await trip.book()
    async with asyncio.timeout(30):
        await trip.stuck("book-hotel")
        while "give-flight-back" not in trip.agency.ledger:
            await asyncio.sleep(0.02)
    state = await trip.sagas.state(trip.id)
    assert state.status is Status.STUCK
    trip.agency.refuse = set()
    await trip.repair("give-hotel-back", RepairAction.RETRY)
    outcome = await handle.result()
    assert outcome.status is Status.COMPENSATED
    assert trip.agency.ledger[-1] == "give-hotel-back"


@pytest.mark.parametrize("plan", ["at once", "in turn"])
async def test_a_group_is_undone_at_once_or_in_reverse(trip: Trip, plan: str) -> None:
    trip.agency.refuse = {"pay-trip"}
    await trip.end(plan)
    undos = [call for call in trip.agency.calls if call.undoes]
    first, second = sorted(undos, key=lambda call: call.position)
    assert [first.name, second.name] == ["give-hotel-back", "give-flight-back"]
    # What came before the second undo: the first one's call, or else its answer.
    assert (second.causation_id == first.command_id) is (plan == "at once")


@pytest.mark.parametrize(
    ("plan", "why", "done"),
    [
        (
            "remembers a refusal after the pivot",
            "the flow has failed after its pivot",
            ["pay-trip"],
        ),
        ("raises after the pivot", "the flow has failed after its pivot", ["pay-trip"]),
        ("optional as required", "do it with `saga.attempt`", []),
    ],
)
async def test_a_mistake_in_a_flow_waits_for_a_fix(
    dev_server: WorkflowEnvironment, plan: str, why: str, done: list[str]
) -> None:
    # The time-skipping server skips no more time after a workflow task that fails for ever.
    async with booking(dev_server) as trip:
        await _fails(trip, plan, why, done)


async def _fails(trip: Trip, plan: str, why: str, done: list[str]) -> None:
    trip.agency.refuse = {"book-hotel"}
    handle = await trip.book(plan)
    failed: list[str] = []
    async with asyncio.timeout(30):
        while not failed:
            await asyncio.sleep(0.02)
            failed = [
                event.workflow_task_failed_event_attributes.failure.message
                async for event in handle.fetch_history_events()
                if event.HasField("workflow_task_failed_event_attributes")
            ]
    assert why in failed[0]
    assert trip.agency.ledger == done
    await handle.terminate()
