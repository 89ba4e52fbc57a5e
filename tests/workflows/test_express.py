"""The express lane on a real server: what deviates is told stepwise, and nothing is left behind."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.testing import WorkflowEnvironment

from runtime.correlation import Correlation, current
from saga import Batch, Call, Cause, Event, Lane, Status
from saga.correlation import of_call
from tests.fakes import FakeReadDatabase
from tests.orders import FORWARD, UNDOS
from tests.workflows.express import Express, replays, reset, told

pytestmark = pytest.mark.asyncio(loop_scope="session")


class HangingOnce(FakeReadDatabase):
    """A read database that hangs the first time."""

    asked = 0

    @activity.defn
    async def project_saga(self, batch: Batch) -> None:
        self.asked += 1
        if self.asked == 1:
            await asyncio.Event().wait()
        self.batches.append(batch)


async def test_all_of_it_is_short_and_told_as_stepwise(
    express: Express, dev_server: WorkflowEnvironment
) -> None:
    handle = await express.place()
    assert (await handle.result()).status is Status.COMPLETED
    assert express.participants.calls == FORWARD
    # The search attributes that a client would have given are the workflow's own here.
    assert len((await handle.fetch_history()).events) <= 16 + 2
    [batch] = express.order.read_database.batches
    assert batch.state == await express.order.state()
    await replays(handle)
    other = Express(dev_server)
    saga, rows = other.workers()
    async with saga, rows:
        await (await other.place(Lane.STEPWISE)).result()
        assert await told(other.order) == await told(express.order)


async def test_each_call_says_what_it_belongs_to(
    dev_server: WorkflowEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    express = Express(dev_server)
    seen, take = list[tuple[Correlation, Correlation]](), express.participants._take

    async def noting(name: str, call: Call[Any]) -> Event[Any]:
        seen.append((current(), of_call(call)))
        return await take(name, call)

    monkeypatch.setattr(express.participants, "_take", noting)
    saga, rows = express.workers()
    async with saga, rows:
        await (await express.place()).result()
    assert [said for said, _ in seen] == [meant for _, meant in seen]
    assert [said.step for said, _ in seen] == FORWARD


async def test_what_is_refused_in_the_lane_is_told_and_undone(express: Express) -> None:
    express.participants.refuse("reserve-stock")
    handle = await express.place()
    outcome = await handle.result()
    assert (outcome.status, outcome.cause) == (Status.COMPENSATED, Cause.FAILED)
    assert express.order.ledger == [*FORWARD[:2], *UNDOS[:2][::-1]]
    await replays(handle)


async def test_the_pivots_first_answer_is_lost(express: Express) -> None:
    express.participants.lose_answer("create-shipment")
    handle = await express.place()
    assert (await handle.result()).status is Status.COMPLETED
    assert express.order.ledger == FORWARD
    # The first try, and of the usual activity the first attempt, are both a first attempt.
    assert express.participants.calls.count("create-shipment") == 3
    await replays(handle)


async def test_a_step_after_the_pivot_goes_on_as_in_any_saga(express: Express) -> None:
    express.participants.away("confirm-order", attempts=1)
    handle = await express.place()
    assert (await handle.result()).status is Status.COMPLETED
    assert express.order.ledger == FORWARD
    await replays(handle)


async def test_a_read_database_that_hangs_is_tried_once_here(
    dev_server: WorkflowEnvironment,
) -> None:
    it = Express(dev_server)
    it.here = HangingOnce()
    saga, rows = it.workers()
    async with saga, rows:
        handle = await it.place()
        assert (await handle.result()).status is Status.COMPLETED
        assert it.order.read_database.batches[-1].state == await it.order.state()


@pytest.mark.parametrize("choose", [min, max])
async def test_a_reset_tells_it_again(express: Express, choose: Callable[[list[int]], int]) -> None:
    handle = await express.place()
    await handle.result()
    newer = await reset(express, handle, choose)
    assert (await newer.result()).status is Status.COMPLETED
    assert express.order.ledger == FORWARD
    await replays(newer)


async def test_what_the_lane_did_is_asked_for_after_a_reset(express: Express) -> None:
    """The pivot is refused, all is undone; the run that is reset to before it finds that out."""
    express.participants.refuse("create-shipment")
    handle = await express.place()
    assert (await handle.result()).status is Status.COMPENSATED
    express.participants.recover("create-shipment")
    newer = await reset(express, handle, lambda tasks: tasks[1])
    assert (await newer.result()).status is Status.COMPENSATED
    assert express.participants.standing == []
    await replays(newer)


async def test_a_reset_to_the_middle_of_the_lane_asks_for_all_of_it_again(express: Express) -> None:
    """The workflow task is so short that the lane outlasts it."""
    held = express.participants.hold("charge-payment")
    handle = await express.place(task_timeout=timedelta(seconds=1))
    while express.participants.calls.count("charge-payment") < 2:
        await asyncio.sleep(0.01)
    held.release()
    express.participants.recover("charge-payment")
    await handle.result()
    before = len(express.participants.calls)
    newer = await reset(express, handle, lambda tasks: tasks[1])
    assert (await newer.result()).status is Status.COMPLETED
    assert express.order.ledger == FORWARD
    # The lane, once more if it outlasts its task on a busy machine, and then the story.
    lane, story = (calls := express.participants.calls[before:])[:-5], calls[-5:]
    assert (lane[:3], set(lane), story) == (FORWARD[:3], set(FORWARD[:3]), FORWARD)
    await replays(newer)
