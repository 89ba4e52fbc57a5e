"""`events`, and what `status` knows when only the log is left."""

import json
from uuid import uuid4

import pytest
import pytest_asyncio
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.testing import WorkflowEnvironment

from saga import read_saga
from tests.cli.here import Here
from tests.cli.shop import ORDER, Shop
from tests.integration.commands import Ran
from tests.integration.processes import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

MEMBERS = {
    *("event_id", "event_type", "aggregate_id", "aggregate_type", "version", "occurred_at"),
    *("correlation_id", "causation_id", "data"),
}
COMPENSATED = [
    *("SagaStarted", "StepStarted", "OrderCreated", "StepStarted", "PaymentProcessed"),
    *("StepStarted", "StepFailed", "CompensationStarted"),
    *("StepStarted", "PaymentRefunded", "StepStarted", "OrderCancelled", "SagaCompensated"),
]
AWAY = "127.0.0.1:1"


async def compensated(shop: Shop, here: Here, *, projected: bool = True) -> str:
    """Place an order that is refused its stock, and wait for its end."""
    shop.participants.refuse("reserve-stock")
    order_id = str(uuid4())
    await here.run(shop.settings, "place-order", *ORDER, "--order-id", order_id)
    if projected:
        await shop.has_projected(order_id)
    return order_id


async def forget(env: WorkflowEnvironment, order_id: str) -> None:
    """Have Temporal forget an order, as it does after its retention."""
    execution = WorkflowExecution(workflow_id=f"order-{order_id}")
    await env.client.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(namespace=env.client.namespace, workflow_execution=execution)
    )

    async def gone() -> bool:
        return await read_saga(env.client, f"order-{order_id}") is None

    await eventually(gone)


@pytest_asyncio.fixture(loop_scope="session")
async def order_id(own_shop: Shop, here: Here) -> str:
    return await compensated(own_shop, here)


async def test_a_log_is_a_document(own_shop: Shop, here: Here, order_id: str) -> None:
    ran = await here.run(own_shop.settings, "events", order_id, "--json")
    events = json.loads(ran.out)
    assert (ran.code, ran.err) == (0, "")
    assert [it["event_type"] for it in events] == COMPENSATED
    assert all(it.keys() >= MEMBERS for it in events)
    assert [it["position"] for it in events] == list(range(len(COMPENSATED)))
    assert len({it["event_id"] for it in events}) == len(events)
    known = {it["event_id"] for it in events}
    assert all(it["causation_id"] in known for it in events[1:])
    again = await here.run(own_shop.settings, "events", order_id, "--json")
    assert again == ran


async def test_a_log_is_a_table(own_shop: Shop, here: Here, order_id: str) -> None:
    ran = await here.run(own_shop.settings, "events", order_id)
    lines = [line.split() for line in ran.out.splitlines()[1:]]
    assert [(line[0], line[3]) for line in lines] == [
        (str(place), event_type) for place, event_type in enumerate(COMPENSATED)
    ]
    assert "amount: 28.20 USD" in ran.out
    assert "charge-payment (undo)" in ran.out


async def test_a_log_is_followed_to_its_end(own_shop: Shop, here: Here) -> None:
    order_id = await compensated(own_shop, here, projected=False)
    document = await here.run(own_shop.settings, "events", order_id, "--follow", "--json")
    told = [json.loads(line) for line in document.out.splitlines()]
    assert [it["event_type"] for it in told] == COMPENSATED
    lines = await here.run(own_shop.settings, "events", order_id, "--follow")
    assert [line.split()[3] for line in lines.out.splitlines()] == COMPENSATED


async def test_the_read_database_keeps_what_temporal_has_forgotten(
    own_shop: Shop, here: Here, order_id: str
) -> None:
    before = await here.run(own_shop.settings, "events", order_id, "--json")
    away = await here.run(own_shop.settings, "events", order_id, "--json", TEMPORAL_ADDRESS=AWAY)
    assert (away.code, away.out) == (0, before.out)
    assert away.err.startswith("warning: from the read database, as last projected; whether it ")
    await forget(own_shop.env, order_id)
    after = await here.run(own_shop.settings, "events", order_id, "--json")
    assert (after.code, after.out) == (0, before.out)
    warning = "warning: from the read database, as last projected; its history is gone\n"
    assert after.err == warning


async def test_a_status_needs_no_row(own_shop: Shop, here: Here, order_id: str) -> None:
    status = ("status", order_id, "--json")
    row = await here.run(own_shop.settings, *status)
    other = f"sqlite:///{own_shop.folder / 'empty.db'}"
    by_history = await here.run(own_shop.settings, *status, READ_DATABASE_URL=other)
    assert (by_history.code, by_history.out) == (0, row.out)
    assert by_history.err == "not in the read database yet: from its history\n"
    own_shop.forget_rows()
    await forget(own_shop.env, order_id)
    by_events = await here.run(own_shop.settings, *status)
    assert (by_events.code, by_events.out) == (0, row.out)


async def test_what_never_was_is_told(own_shop: Shop, here: Here) -> None:
    assert await here.run(own_shop.settings, "events", "none") == Ran(1, "", "no order none\n")
    followed = await here.run(own_shop.settings, "events", "none", "--follow")
    assert followed == Ran(1, "", "no order none that could be followed\n")
    away = await here.run(own_shop.settings, "events", "none", TEMPORAL_ADDRESS=AWAY)
    assert away.code == 3
    assert away.err.count("\n") == 1
