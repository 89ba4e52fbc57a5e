"""What newer code wrote is refused in one line, and not shown in part."""

from uuid import uuid4

import pytest
from temporalio.testing import WorkflowEnvironment

from contracts.sagas import ORDER
from saga import SagaInput
from tests.cli.here import Here
from tests.cli.shop import Shop
from tests.integration.commands import Ran
from tests.matrix.order_subject import place_order

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("command", [("events",), ("recover", "--reason", "x")])
async def test_a_history_of_newer_code_is_refused(
    server: WorkflowEnvironment, closed_shop: Shop, here: Here, command: tuple[str, ...]
) -> None:
    order_id = str(uuid4())
    start = SagaInput(command=place_order(order_id)).model_dump(mode="json")
    start["command"]["schema_version"] = 9
    workflow_id = f"order-{order_id}"
    handle = await server.client.start_workflow(
        ORDER.workflow, start, id=workflow_id, task_queue="nobody"
    )
    await handle.terminate("it was of newer code")
    ran = await here.run(closed_shop.settings, command[0], order_id, *command[1:])
    assert ran == Ran(
        2,
        "",
        "error: PlaceOrder came in schema version 9, and this code knows 1:"
        " nothing was done with it; deploy newer code\n",
    )
