"""The engine against the order saga written by hand: no longer history, and a fair opponent."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest
import pytest_asyncio
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import CancelledError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from benchmarks.by_hand import OrderByHand
from benchmarks.hand_log import BY_HAND
from benchmarks.order_history import ENDINGS, shortest_history
from contracts.sagas import ORDER
from saga import Cause, SagaInput, SagaOutcome, Status
from tests.fakes import FakeParticipants, FakeReadDatabase
from tests.orders import CUSTOMER, FORWARD, UNDOS, command_of

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("ending", list(ENDINGS))
async def test_the_engines_history_is_no_longer(
    dev_server: WorkflowEnvironment, long_gathering: None, ending: Status
) -> None:
    engine = await shortest_history(dev_server.client, ORDER, ending, rounds=1)
    by_hand = await shortest_history(dev_server.client, BY_HAND, ending, rounds=1)
    assert engine.events <= by_hand.events
    assert engine.workflow_tasks <= by_hand.workflow_tasks
    # Of the same payloads: what is compared is the same saga.
    assert engine.size == pytest.approx(by_hand.size, rel=0.05)


class Opponent:
    """An order of the hand-written saga, with the tests' participants."""

    def __init__(self, env: WorkflowEnvironment) -> None:
        self.env = env
        self.queue = str(uuid4())
        self.participants = FakeParticipants()
        self.read_database = FakeReadDatabase()

    async def place(
        self, deadline: timedelta | None = None
    ) -> WorkflowHandle[OrderByHand, SagaOutcome]:
        command = command_of(self.queue)
        return await self.env.client.start_workflow(
            OrderByHand.run,
            SagaInput(command=command, deadline=deadline),
            id=f"order-{self.queue}",
            task_queue=self.queue,
        )


@pytest_asyncio.fixture(loop_scope="session")
async def opponent(dev_server: WorkflowEnvironment) -> AsyncIterator[Opponent]:
    it = Opponent(dev_server)
    steps = Worker(
        dev_server.client,
        task_queue=it.queue,
        workflows=[OrderByHand],
        activities=it.participants.activities(),
        max_cached_workflows=0,
        max_heartbeat_throttle_interval=timedelta(milliseconds=50),
    )
    rows = Worker(
        dev_server.client,
        task_queue=f"{it.queue}-projection",
        activities=[it.read_database.project_saga],
    )
    async with steps, rows:
        yield it


@pytest.mark.long
async def test_by_hand_an_order_completes(opponent: Opponent) -> None:
    handle = await opponent.place()
    outcome = await handle.result()
    assert outcome.status is Status.COMPLETED
    assert opponent.participants.ledger == FORWARD
    last = opponent.read_database.batches[-1].state
    assert last == await handle.query(OrderByHand.state)
    assert (last.status, last.current_step) == (Status.COMPLETED, None)
    batches = opponent.read_database.batches
    assert sorted(event.position for batch in batches for event in batch.events) == list(range(12))


@pytest.mark.long
async def test_by_hand_a_refusal_undoes_in_reverse(opponent: Opponent) -> None:
    opponent.participants.refuse("create-shipment")
    outcome = await (await opponent.place()).result()
    assert (outcome.status, outcome.cause) == (Status.COMPENSATED, Cause.FAILED)
    assert opponent.participants.ledger == FORWARD[:3] + UNDOS[:3][::-1]


@pytest.mark.long
async def test_by_hand_a_cancel_undoes(opponent: Opponent) -> None:
    held = opponent.participants.hold("reserve-stock")
    handle = await opponent.place()
    await held.reached.wait()
    assert (await handle.execute_update(OrderByHand.cancel, CUSTOMER)).accepted
    outcome = await handle.result()
    assert (outcome.status, outcome.cause) == (Status.COMPENSATED, Cause.CANCELLED)
    assert opponent.participants.standing == []


@pytest.mark.long
async def test_by_hand_the_deadline_undoes(opponent: Opponent) -> None:
    opponent.participants.lose_answer("reserve-stock", attempts=1000)
    outcome = await (await opponent.place(timedelta(seconds=1))).result()
    assert (outcome.status, outcome.cause) == (Status.COMPENSATED, Cause.DEADLINE)
    assert opponent.participants.standing == []


@pytest.mark.long
async def test_by_hand_temporals_own_cancel_waits_for_the_pivot(opponent: Opponent) -> None:
    held = opponent.participants.hold("create-shipment")
    handle = await opponent.place()
    await held.reached.wait()
    await handle.cancel()
    held.release()
    assert (await handle.result()).status is Status.COMPLETED


@pytest.mark.long
async def test_by_hand_temporals_own_cancel_undoes(opponent: Opponent) -> None:
    held = opponent.participants.hold("charge-payment")
    handle = await opponent.place()
    await held.reached.wait()
    await handle.cancel()
    with pytest.raises(WorkflowFailureError) as failure:
        await handle.result()
    assert isinstance(failure.value.cause, CancelledError)
    assert opponent.participants.standing == []
