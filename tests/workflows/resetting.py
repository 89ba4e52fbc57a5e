"""An order's saga is reset on a real server, and its runs are looked at."""

from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from saga import SagaOutcome, SagaPlugin, read_saga, told_last
from tests.orders import Order
from tests.resets import reset_run
from workflows.order import OrderSaga

"""What an order does, in this order."""


async def reset(order: Order, *, run_id: str, to: int) -> str:
    """Reset the order's saga; the new run's id."""
    return await reset_run(order.env.client, order.saga_id, to=to, run_id=run_id)


async def history(order: Order, run_id: str) -> WorkflowHistory:
    handle = order.env.client.get_workflow_handle(order.saga_id, run_id=run_id)
    return await handle.fetch_history()


async def outcome_of(order: Order, run_id: str) -> SagaOutcome:
    handle = order.env.client.get_workflow_handle_for(OrderSaga.run, order.saga_id, run_id=run_id)
    return await handle.result()


async def tell_alike(order: Order, *run_ids: str) -> None:
    """All runs are readable, and say which of their events the newest one has."""
    told = await read_saga(order.env.client, order.saga_id, run_ids)
    assert told is not None
    assert {run.run_id for run in told.runs} >= set(run_ids)
    assert told.runs[-1].run_id == run_ids[-1]
    assert told.state == await order.state()
    assert tuple(told_last(told.all_events)) == told.events


async def replays(history: WorkflowHistory) -> None:
    replayer = Replayer(workflows=[OrderSaga], plugins=[SagaPlugin()])
    await replayer.replay_workflow(history)
