"""What a step may declare: fallback, optional, probe, when and how its undo comes, by hand."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import pytest
import pytest_asyncio
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from saga import Repair, RepairAction, Request, SagaInput, SagaOutcome, Sagas, Status, StepStatus
from tests.trips import BRIEF, Agency, BookTrip, TripSaga
from tests.workflows.caching import CACHES

pytestmark = pytest.mark.asyncio(loop_scope="session")

OPERATOR = Request(by="op", reason="because")


@dataclass
class Trip:
    """One trip about to be booked."""

    env: WorkflowEnvironment
    queue: str = field(default_factory=lambda: str(uuid4()))
    agency: Agency = field(default_factory=Agency)

    @property
    def id(self) -> str:
        return f"trip-{self.queue}"

    @property
    def sagas(self) -> Sagas:
        return Sagas(self.env.client, self.queue)

    async def book(self, plan: str = "whole") -> WorkflowHandle[TripSaga, SagaOutcome]:
        await self.sagas.start(
            TripSaga.kind, SagaInput(command=BookTrip(trip_id=self.queue, plan=plan))
        )
        return self.env.client.get_workflow_handle_for(TripSaga.run, self.id)

    async def end(self, plan: str = "whole") -> SagaOutcome:
        return await (await self.book(plan)).result()

    async def stuck(self, *steps: str) -> None:
        """Wait until these are what a person has to repair."""
        while (found := set((await self.sagas.state(self.id)).stuck)) != set(steps):
            await asyncio.sleep(0.02)
        assert found == set(steps)

    async def repair(self, step: str, action: RepairAction, **changes: str | int) -> str:
        repair = Repair(
            by="op", reason="because", step=step, action=action, changes={**changes} or None
        )
        return (await self.sagas.repair(self.id, repair)).message


@asynccontextmanager
async def booking(
    env: WorkflowEnvironment, *, max_cached_workflows: int = 1000
) -> AsyncIterator[Trip]:
    trip = Trip(env)
    async with Worker(
        env.client,
        task_queue=trip.queue,
        workflows=[TripSaga],
        activities=trip.agency.activities,
        max_cached_workflows=max_cached_workflows,
    ):
        yield trip


@pytest_asyncio.fixture(loop_scope="session", params=CACHES)
async def trip(
    request: pytest.FixtureRequest, time_skipping: WorkflowEnvironment
) -> AsyncIterator[Trip]:
    async with booking(time_skipping, max_cached_workflows=request.param) as trip:
        yield trip


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
