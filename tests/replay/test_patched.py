"""A flow that was changed with `patched`: sagas from before the change and after it replay."""

from functools import partialmethod

import pytest
from temporalio import workflow
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from examples.insured_trip import InsuredTripSaga, insure
from examples.trip import Book, BookTrip, book_flight, book_hotel
from saga import Saga, SagaPlugin, lint
from tests.replay.record import TRIPS, load


def replayer() -> Replayer:
    # Outside of the sandbox, which would load the saga anew, without what a test has changed.
    return Replayer(
        workflows=[InsuredTripSaga],
        plugins=[SagaPlugin()],
        workflow_runner=UnsandboxedWorkflowRunner(),
    )


async def unconditional(
    _self: InsuredTripSaga, port: Saga, trip: BookTrip, *, deprecated: bool = False
) -> None:
    await port.step(book_hotel, Book(what=trip.hotel))
    if deprecated:
        port.deprecate_patch("insurance")
    await port.attempt(insure, Book(what=trip.trip_id))
    await port.step(book_flight, Book(what=trip.flight))


def activities_of(name: str) -> list[str]:
    scheduled = (
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in load(name).events
        if event.HasField("activity_task_scheduled_event_attributes")
    )
    return [name for name in scheduled if name != "project_saga"]


def test_the_histories_are_from_before_and_after_the_change() -> None:
    assert activities_of("trip_before_insurance") == ["book_hotel", "book_flight"]
    assert activities_of("trip_with_insurance") == ["book_hotel", "insure", "book_flight"]
    assert lint(InsuredTripSaga) == []


@pytest.mark.parametrize("name", TRIPS)
async def test_both_replay(name: str) -> None:
    await Replayer(workflows=[InsuredTripSaga], plugins=[SagaPlugin()]).replay_workflow(load(name))


async def test_without_the_patch_a_trip_from_before_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(InsuredTripSaga, "flow", unconditional)
    with pytest.raises(workflow.NondeterminismError):
        await replayer().replay_workflow(load("trip_before_insurance"))


async def test_when_the_old_trips_are_over_the_patch_goes_in_two_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(InsuredTripSaga, "flow", partialmethod(unconditional, deprecated=True))
    await replayer().replay_workflow(load("trip_with_insurance"))

    monkeypatch.setattr(InsuredTripSaga, "flow", unconditional)
    with pytest.raises(workflow.NondeterminismError):
        await replayer().replay_workflow(load("trip_with_insurance"))
