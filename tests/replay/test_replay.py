"""Code changes don't break running sagas: recorded histories replay against today's code."""

import pytest
from temporalio import workflow
from temporalio.worker import Replayer

from contracts.commands import CreateOrder, PlaceOrder
from saga import Saga, SagaPlugin
from tests.replay.record import EXPRESS, FIRST_VERSION, HISTORIES, SCENARIOS, TRIPS, load
from workers.sagas import WORKFLOW_MODULES
from workflows.order import OrderSaga, create_order

ORDERS = [*(scenario.__name__ for scenario in SCENARIOS), *EXPRESS, *FIRST_VERSION]


def test_every_scenario_has_a_history() -> None:
    assert {path.stem for path in HISTORIES.glob("*.json")} == {*ORDERS, *TRIPS}


@pytest.mark.parametrize("name", ORDERS)
async def test_a_recorded_history_replays(name: str) -> None:
    replayer = Replayer(workflows=[OrderSaga], plugins=[SagaPlugin()])
    await replayer.replay_workflow(load(name))


async def test_a_change_of_the_story_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def shorter(_self: OrderSaga, saga: Saga, order: PlaceOrder) -> None:
        await saga.step(create_order, CreateOrder.of(order))

    monkeypatch.setattr(OrderSaga, "flow", shorter)
    # As in `worker.py`: a sandbox that loads the module anew would not see the change.
    plugin = SagaPlugin(passed_through=WORKFLOW_MODULES)
    replayer = Replayer(workflows=[OrderSaga], plugins=[plugin])
    with pytest.raises(workflow.NondeterminismError):
        await replayer.replay_workflow(load("completed"))
