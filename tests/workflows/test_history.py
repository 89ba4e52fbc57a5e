"""The history is the log: what the workflow knew is read from it, without the workflow's code."""

import asyncio
import base64
import dataclasses
from collections.abc import Sequence

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import PayloadCodec
from temporalio.testing import WorkflowEnvironment
from typing_extensions import override

from saga import Event, JsonObject, Request, SagaPlugin, Status, follow_saga, read_saga
from tests.orders import Order, new_order, working
from workflows.order import OrderSaga

pytestmark = pytest.mark.asyncio(loop_scope="session")

OPERATOR = Request(by="op", reason="it was ended by mistake")


class Turned(PayloadCodec):
    """Turns what it is given round, so that nobody can read it by chance."""

    @override
    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [
            Payload(
                metadata={"encoding": b"turned"},
                data=base64.b64encode(payload.SerializeToString()[::-1]),
            )
            for payload in payloads
        ]

    @override
    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [
            Payload.FromString(base64.b64decode(payload.data)[::-1])
            if payload.metadata.get("encoding") == b"turned"
            else payload
            for payload in payloads
        ]


async def test_it_tells_what_the_workflow_knew(real_order: Order) -> None:
    order = real_order
    order.participants.refuse("create-shipment")
    await (await order.place()).result()
    told = await read_saga(order.env.client, order.saga_id)
    assert told is not None
    assert told.closed
    assert told.state == await order.state()
    handed = [event for batch in order.read_database.batches for event in batch.events]
    assert [it.model_dump(mode="json") for it in told.events] == [
        it.model_dump(mode="json") for it in handed
    ]
    again = await read_saga(order.env.client, order.saga_id)
    assert again is not None
    assert again.events == told.events


async def test_it_is_read_through_the_clients_codec(dev_server: WorkflowEnvironment) -> None:
    converter = dataclasses.replace(pydantic_data_converter, payload_codec=Turned())
    client = Client(
        dev_server.client.service_client, data_converter=converter, plugins=[SagaPlugin()]
    )
    async with working(WorkflowEnvironment.from_client(client)) as order:
        order.participants.refuse("reserve-stock")
        handle = await order.place()
        await handle.result()
        history = await handle.fetch_history()
        assert order.order_id not in _payloads(history.to_json())
        told = await read_saga(client, order.saga_id)
        assert told is not None
        assert told.state == await order.state()


def _payloads(history: str) -> str:
    """A history's text as anyone can decode it."""
    parts = history.split('"data": "')[1:]
    return "".join(base64.b64decode(it.split('"')[0]).decode(errors="replace") for it in parts)


async def test_a_saga_that_was_started_by_hand_tells_its_beginning_too(
    dev_server: WorkflowEnvironment,
) -> None:
    async with working(dev_server) as order:
        command = {
            "order_id": order.order_id,
            "customer_id": "C-7",
            "items": [{"sku": "BOOK", "quantity": 1, "unit_price_minor": 100}],
            "card_token": "tok_visa",
            "ship_to": "here",
        }
        handle = await dev_server.client.start_workflow(
            OrderSaga.__name__,
            {"command": command},
            id=order.saga_id,
            task_queue=order.task_queue,
        )
        await handle.result()
        told = await read_saga(dev_server.client, order.saga_id)
        assert told is not None
        assert told.state == await order.state()
        assert told.state.headline.customer_id == "C-7"


async def test_it_tells_who_ended_a_saga_from_outside(real_order: Order) -> None:
    order = real_order
    held = order.participants.hold("reserve-stock")
    handle = await order.place()
    await held.reached.wait()
    await handle.terminate(reason="a mistake")
    held.release()
    told = await read_saga(order.env.client, order.saga_id)
    assert told is not None
    assert told.state is not None
    assert told.state.status is Status.TERMINATED
    ended = told.events[-1]
    assert (ended.event_type, ended.data["reason"]) == ("SagaTerminated", "a mistake")
    assert ended.causation_id == told.events[-2].event_id
    assert told.state.closed_at == ended.occurred_at

    await order.sagas.recover(order.saga_id, OPERATOR)
    recovering = order.env.client.get_workflow_handle_for(OrderSaga.run, order.saga_id)
    await recovering.result()
    told = await read_saga(order.env.client, order.saga_id)
    assert told is not None
    assert told.state == await order.state()
    assert len(told.runs) == 2
    assert ended in told.runs[0].events
    assert ended not in told.events
    assert ended in told.all_events


async def test_what_has_not_begun_has_no_events_and_what_never_was_has_no_history(
    dev_server: WorkflowEnvironment,
) -> None:
    order = new_order(dev_server)
    assert await read_saga(dev_server.client, order.saga_id) is None
    handle = await order.place()
    told = await read_saga(dev_server.client, order.saga_id)
    assert told is not None
    assert (told.events, told.state, told.closed) == ((), None, False)
    await handle.terminate(reason="never begun")
    told = await read_saga(dev_server.client, order.saga_id)
    assert told is not None
    assert [it.event_type for it in told.events] == ["SagaStarted", "SagaTerminated"]


async def test_it_is_followed_until_it_has_closed(real_order: Order) -> None:
    order = real_order
    held = order.participants.hold("reserve-stock")
    handle = await order.place()
    await held.reached.wait()
    followed: list[Event[JsonObject]] = []
    half = asyncio.Event()

    async def follow() -> None:
        async for event in follow_saga(order.env.client, order.saga_id):
            followed.append(event)
            if event.step == "reserve-stock":
                half.set()

    following = asyncio.create_task(follow())
    await half.wait()
    held.release()
    await handle.result()
    await following
    told = await read_saga(order.env.client, order.saga_id)
    assert told is not None
    assert followed == list(told.events)
