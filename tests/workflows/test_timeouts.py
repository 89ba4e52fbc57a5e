"""A workflow timeout would end a saga without undoing anything, so none is started with one."""

from datetime import timedelta
from typing import TypedDict

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from contracts.commands import Line, PlaceOrder
from saga import SagaInput
from tests.orders import Order
from workflows.order import OrderSaga


class Timeouts(TypedDict, total=False):
    execution_timeout: timedelta
    run_timeout: timedelta


HOUR = timedelta(hours=1)
EACH = [Timeouts(execution_timeout=HOUR), Timeouts(run_timeout=HOUR)]


def command(order: Order) -> SagaInput[PlaceOrder]:
    line = Line(sku="BOOK", quantity=2, unit_price_minor=1250)
    return SagaInput(
        command=PlaceOrder(
            order_id=order.order_id,
            customer_id="C-1",
            items=(line,),
            card_token="tok_visa",
            ship_to="1 Main St, Springfield",
        )
    )


@pytest.mark.parametrize("timeouts", EACH, ids=str)
async def test_a_saga_started_with_a_timeout_fails_before_its_first_step(
    real_order: Order, timeouts: Timeouts
) -> None:
    ours = real_order.env.client
    another = Client(
        ours.service_client, namespace=ours.namespace, data_converter=pydantic_data_converter
    )
    handle = await another.start_workflow(
        OrderSaga.run,
        command(real_order),
        id=real_order.saga_id,
        task_queue=real_order.task_queue,
        **timeouts,
    )
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    cause = failed.value.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.non_retryable) == ("WorkflowTimeout", True)
    assert f"{next(iter(timeouts))} would end the saga" in cause.message
    assert "SagaInput(deadline=...)" in cause.message
    assert real_order.participants.calls == []


@pytest.mark.parametrize("timeouts", EACH, ids=str)
async def test_our_client_starts_no_saga_with_a_timeout(
    real_order: Order, timeouts: Timeouts
) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(timeouts))} would end the saga"):
        await real_order.env.client.start_workflow(
            OrderSaga.run,
            command(real_order),
            id=real_order.saga_id,
            task_queue=real_order.task_queue,
            **timeouts,
        )
    with pytest.raises(RPCError, match="not found"):
        await real_order.env.client.get_workflow_handle(real_order.saga_id).describe()
