"""Record the histories that `test_replay.py` replays: `make histories`.

Each scenario is one way a saga can go, so that a change of the workflow's commands shows.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowFailureError, WorkflowHistory
from temporalio.testing import WorkflowEnvironment

from examples import insured_trip, trip
from runtime.search_attributes import register_search_attributes
from saga import Lane, Repair, RepairAction, SagaPlugin, Status
from tests.binaries import DEV_SERVER
from tests.orders import CUSTOMER, Order, working
from tests.replay.first_version import FirstVersion, with_codec
from tests.replay.trips import booked

HISTORIES = Path(__file__).with_name("histories")


async def completed(order: Order) -> None:
    await (await order.place()).result()


async def declined(order: Order) -> None:
    order.participants.refuse("charge-payment")
    await (await order.place()).result()


async def undeliverable(order: Order) -> None:
    order.participants.refuse("create-shipment")
    await (await order.place()).result()


async def deadline(order: Order) -> None:
    order.participants.lose_answer("reserve-stock", attempts=1000)
    await (await order.place(deadline=timedelta(seconds=1))).result()


async def cancelled(order: Order) -> None:
    held = order.participants.hold("reserve-stock")
    handle = await order.place()
    await held.reached.wait()
    await order.cancel()
    await handle.result()


async def cancelled_by_temporal(order: Order) -> None:
    held = order.participants.hold("charge-payment")
    handle = await order.place()
    await held.reached.wait()
    await handle.cancel()
    try:
        await handle.result()
    except WorkflowFailureError:
        return


async def paused(order: Order) -> None:
    held = order.participants.hold("charge-payment")
    handle = await order.place()
    await held.reached.wait()
    await order.sagas.pause(order.saga_id, CUSTOMER)
    held.release()
    await order.sagas.resume(order.saga_id, CUSTOMER)
    await handle.result()


async def repaired(order: Order) -> None:
    order.participants.refuse("create-shipment")
    order.participants.refuse("refund-payment")
    handle = await order.place()
    while (await order.state()).status is not Status.STUCK:
        await asyncio.sleep(0.05)
    order.participants.recover("refund-payment")
    repair = Repair(by="ops", reason="bank", step="refund-payment", action=RepairAction.RETRY)
    await order.sagas.repair(order.saga_id, repair)
    await handle.result()


SCENARIOS: tuple[Callable[[Order], Awaitable[None]], ...] = (
    completed,
    declined,
    undeliverable,
    deadline,
    cancelled,
    cancelled_by_temporal,
    paused,
    repaired,
)


EXPRESS = {
    "express_completed": completed,
    "express_declined": declined,
    "express_undeliverable": undeliverable,
    "express_cancelled": cancelled,
}
"""Orders in the express lane, as far as it goes."""

FIRST_VERSION = {"first_completed": completed, "first_undeliverable": undeliverable}
"""Orders as the first version of the contracts wrote them."""

TRIPS = {"trip_before_insurance": trip, "trip_with_insurance": insured_trip}
"""A saga before and after a change of its flow."""


def load(name: str) -> WorkflowHistory:
    """A committed history, under the id that its saga had: a saga knows itself by it."""
    content = json.loads((HISTORIES / f"{name}.json").read_text())
    started = content["events"][0]["workflowExecutionStartedEventAttributes"]
    return WorkflowHistory.from_json(started["workflowId"], content)


async def record() -> None:
    """Play every scenario on a real server and write its history."""
    env = await WorkflowEnvironment.start_local(
        dev_server_existing_path=DEV_SERVER, plugins=[SagaPlugin()]
    )
    async with env:
        await register_search_attributes(env.client)
        for scenario in SCENARIOS:
            _write(scenario.__name__, await _recorded(env, scenario))
        for name, scenario in EXPRESS.items():
            _write(name, await _recorded(env, scenario, Lane.EXPRESS))
        first_version = await with_codec(env, FirstVersion())
        for name, scenario in FIRST_VERSION.items():
            _write(name, await _recorded(first_version, scenario))
        for name, module in TRIPS.items():
            _write(name, await booked(env.client, module))


async def _recorded(
    env: WorkflowEnvironment,
    scenario: Callable[[Order], Awaitable[None]],
    lane: Lane = Lane.STEPWISE,
) -> WorkflowHistory:
    async with working(env) as order:
        order.lane = lane
        await scenario(order)
        return await env.client.get_workflow_handle(order.saga_id).fetch_history()


def _write(name: str, history: WorkflowHistory) -> None:
    text = json.dumps(_without_machine(history.to_json_dict()), indent=1, sort_keys=True)
    (HISTORIES / f"{name}.json").write_text(text + "\n")


def _without_machine(value: Any) -> Any:
    """The history without what only the recording machine knows: paths and process names."""
    if isinstance(value, list):
        return [_without_machine(item) for item in value]
    if isinstance(value, dict):
        kept = ((key, item) for key, item in value.items() if key != "stackTrace")
        return {key: _without_machine(item) for key, item in kept}
    return re.sub(r"\d+@[\w.-]+", "worker", value) if isinstance(value, str) else value


async def main() -> None:
    """Record, and give the SDK's runtime the time to end that it needs."""
    await record()
    await asyncio.sleep(0.1)


if __name__ == "__main__":
    asyncio.run(main())
