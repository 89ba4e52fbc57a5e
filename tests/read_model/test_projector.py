"""A row is what the newest state says, whatever comes again, late or at once."""

import asyncio
import random
from datetime import timedelta

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from read_model.projector import SagaProjector, row_of
from read_model.queries import ReadModel
from read_model.tables import SagaRow
from saga import SagaState, Status, StepStatus
from tests.read_model.states import EPOCH, START, compensated, completed, stuck


def test_row_of_a_completed_saga() -> None:
    assert row_of(completed()[-1]).model_dump() == {
        "saga_id": "order-o-1",
        "saga_type": "order",
        "business_id": "o-1",
        "customer_id": "c-1",
        "status": "completed",
        "cause": None,
        "current_step": None,
        "failure_step": None,
        "failure_type": None,
        "failure_message": None,
        "stuck": (),
        "stuck_since": None,
        "amount_minor": 2820,
        "currency": "USD",
        "item_count": 3,
        "version": 6,
        "epoch": EPOCH,
        "position": 5,
        "correlation_id": "request-7",
        "steps": {"zip": "done", "apply": "done"},
        "started_at": START,
        "updated_at": START + timedelta(seconds=5),
        "closed_at": START + timedelta(seconds=5),
    }


def test_row_of_a_saga_under_way() -> None:
    row = row_of(completed()[3])
    assert (row.status, row.current_step, row.closed_at) == (Status.RUNNING, "apply", None)
    assert row.steps == {"zip": StepStatus.DONE, "apply": StepStatus.STARTED}


def test_row_shows_the_cause_and_the_failure() -> None:
    row = row_of(compensated())
    assert (row.status, row.cause) == ("compensated", "failed")
    assert (row.failure_step, row.failure_type, row.failure_message) == (
        "charge",
        "urn:problem:payment:card-declined",
        "no",
    )
    assert row.steps == {"create": "undone", "charge": "refused"}


def test_row_shows_what_is_stuck() -> None:
    row = row_of(stuck())
    assert (row.status, row.cause, row.failure_step) == ("stuck", None, "confirm")
    [failure] = row.stuck
    assert (failure.step, failure.message) == ("confirm", "no")
    assert row.stuck_since == START + timedelta(seconds=2)


async def _stored(engine: AsyncEngine, saga_id: str = "order-o-1") -> SagaRow:
    row = await ReadModel(engine).by_id(saga_id)
    assert row is not None
    return row


@pytest.mark.asyncio
@pytest.mark.parametrize("state", [completed()[0], completed()[-1], compensated(), stuck()])
async def test_what_is_stored_is_the_row(engine: AsyncEngine, state: SagaState) -> None:
    await SagaProjector(engine).project(state)
    row = await _stored(engine, state.saga_id)
    assert row.model_dump() == row_of(state).model_dump()
    assert isinstance(row.status, Status)
    assert list(row.steps) == list(state.steps)


@pytest.mark.asyncio
async def test_instants_come_back_aware_and_in_utc(engine: AsyncEngine) -> None:
    await SagaProjector(engine).project(completed()[-1])
    row = await _stored(engine)
    assert row.closed_at is not None
    for instant in (row.started_at, row.updated_at, row.closed_at):
        assert instant.utcoffset() == timedelta(0)
    assert row.started_at.isoformat() == "2026-03-01T12:00:00.250000+00:00"


@pytest.mark.asyncio
async def test_older_and_repeated_states_change_nothing(engine: AsyncEngine) -> None:
    states = completed()
    projector = SagaProjector(engine)
    await projector.project(states[-1])
    before = (await _stored(engine)).model_dump()
    # Told apart from the row only by what it says.
    repeated = states[-1].model_copy(update={"current_step": "told again"})
    for state in (repeated, *states[:-1]):
        await projector.project(state)
        assert (await _stored(engine)).model_dump() == before


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "newer",
    [
        {"epoch": EPOCH + 1, "position": 0, "version": 1},
        {"epoch": EPOCH, "position": 3, "version": 1},
        {"epoch": EPOCH, "position": 2, "version": 4},
    ],
    ids=["epoch", "position", "version"],
)
async def test_a_newer_state_replaces_the_row(engine: AsyncEngine, newer: dict[str, int]) -> None:
    state = completed()[2]
    assert (state.epoch, state.position, state.version) == (EPOCH, 2, 3)
    # Of another saga, so that almost every column changes.
    after = compensated().model_copy(update={**newer, "saga_id": state.saga_id})
    projector = SagaProjector(engine)
    await projector.project(state)
    await projector.project(after)
    assert (await _stored(engine)).model_dump() == row_of(after).model_dump()
    await projector.project(state)
    assert (await _stored(engine)).model_dump() == row_of(after).model_dump()


@pytest.mark.asyncio
async def test_many_at_once_end_at_the_newest(engine: AsyncEngine) -> None:
    base = completed()[0]
    states = [
        base.model_copy(
            update={"epoch": EPOCH + n // 10, "position": n % 10, "version": 10 - n % 3}
        )
        for n in range(50)
    ]
    newest = states[-1]
    random.Random(7).shuffle(states)
    projector = SagaProjector(engine)
    await asyncio.gather(*(projector.project(state) for state in states))
    assert (await _stored(engine)).model_dump() == row_of(newest).model_dump()


@pytest.mark.asyncio
@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
async def test_first_states_at_once_all_succeed(engine: AsyncEngine, database_url: str) -> None:
    projector = SagaProjector(engine)
    gate = await asyncpg.connect(database_url)
    for n in range(20):
        # Held back until all of them are there, so that their inserts meet.
        async with gate.transaction():
            await gate.execute("LOCK TABLE sagas")
            states = [completed(f"{n}")[0] for _ in range(10)]
            tasks = [asyncio.create_task(projector.project(state)) for state in states]
            await asyncio.wait(tasks, timeout=0.03)
        await asyncio.gather(*tasks)
    await gate.close()
    assert len((await ReadModel(engine).sagas(limit=100)).rows) == 20


@pytest.mark.asyncio
async def test_nul_in_a_participants_words_is_no_obstacle(engine: AsyncEngine) -> None:
    await SagaProjector(engine).project(compensated("no\0pe"))
    assert (await _stored(engine, "order-o-2")).failure_message == "no\ufffdpe"
    await SagaProjector(engine).project(stuck("no\0pe"))
    [failure] = (await _stored(engine, "order-o-3")).stuck
    assert failure.message == "no\ufffdpe"
