"""`PlaceOrder` as a message: it starts one saga, and what can't be taken is a dead letter."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from temporalio.client import Client
from temporalio.worker import Worker

from activities.publication import PublicationActivities
from brokers.consumer import Consumer, Received
from brokers.dead_letters import DeadLetter, dead_letters
from brokers.envelope import CloudEvent, Message
from brokers.memory import MemoryBroker
from brokers.port import Subscription
from consumers import orders
from consumers.orders import GROUP, order_intake
from contracts.catalogue import CATALOGUE, ORDER_COMMANDS, ORDERS, OrderPlaced, PlaceOrder
from contracts.commands import Line
from read_model.database import open_database
from read_model.queries import ReadModel
from saga import SagaPlugin, read_saga, saga_id
from saga.events import SagaStarted
from saga.state import data_of
from tests.brokers.desk import running, soon
from tests.cli.shop import Shop
from tests.integration.processes import eventually
from tests.integration.proxy import Proxy

pytestmark = pytest.mark.asyncio(loop_scope="session")

NEWER = "schema version 2, and this code knows 1: deploy newer code, then replay it"


def order(order_id: str | None = None, *, customer: str = "C-1") -> PlaceOrder:
    return PlaceOrder(
        order_id=order_id or str(uuid4()),
        customer_id=customer,
        items=(Line(sku="BOOK", quantity=2, unit_price_minor=1250),),
        card_token="tok_visa",
        ship_to="1 Main St, Springfield",
    )


def message(placed: PlaceOrder, event_id: str | None = None, **attributes: object) -> Message:
    event = CATALOGUE.envelope(
        placed,
        event_id=event_id or str(uuid4()),
        subject=placed.order_id,
        correlation_id="request-1",
    )
    return Message.binary(event.model_copy(update=attributes))


@asynccontextmanager
async def taking(
    shop: Shop, broker: MemoryBroker, client: Client | None = None
) -> AsyncIterator[None]:
    """Take orders from a broker, and publish there what becomes of them."""
    engine = open_database(shop.database_url)
    intake = order_intake(broker, client or shop.env.client, shop.task_queue, ReadModel(engine))
    publishing = Worker(
        shop.env.client,
        task_queue=f"{shop.task_queue}-publication",
        activities=[PublicationActivities(broker).publish_events],
    )
    try:
        async with publishing, running(intake):
            yield
    finally:
        await engine.dispose()


async def nothing_waits(broker: MemoryBroker) -> None:
    async def empty() -> bool:
        return await broker.waiting(ORDER_COMMANDS, GROUP) == 0

    await eventually(empty)


async def letters(broker: MemoryBroker) -> list[DeadLetter]:
    return await dead_letters(broker, ORDER_COMMANDS, GROUP)


def told(broker: MemoryBroker, channel: str) -> list[CloudEvent]:
    return [it.event() for it in broker.messages[channel]]


async def test_a_message_that_comes_three_times_starts_one_saga(own_shop: Shop) -> None:
    broker, placed = MemoryBroker(), order()
    first = message(placed, "m-1")
    # Once more with an id of its own: who sends a command again may not know what it had.
    await broker.publish(ORDER_COMMANDS, [first, first, message(placed, "m-2")])
    async with taking(own_shop, broker):
        await nothing_waits(broker)
        await own_shop.has_projected(placed.order_id)
    history = await read_saga(own_shop.env.client, saga_id("order", placed.order_id))
    assert history is not None
    assert len(history.runs) == 1
    started = history.all_events[0]
    assert (started.correlation_id, started.causation_id) == ("request-1", "m-1")
    assert data_of(started, SagaStarted).chain_depth == 1
    published = told(broker, "orders")
    assert [it.type for it in published] == ["OrderPlaced", "OrderConfirmed"]
    assert published[0].causationid == "m-1"
    [confirmation] = told(broker, "notification-commands")
    assert (confirmation.subject, confirmation.correlationid) == (placed.order_id, "request-1")
    assert await letters(broker) == []


async def test_orders_that_lead_to_orders_end_in_a_dead_letter(own_shop: Shop) -> None:
    broker = MemoryBroker()

    async def order_again(received: Received[OrderPlaced]) -> None:
        another = order()
        command = CATALOGUE.envelope(
            another,
            event_id=f"after {received.event.id}",
            subject=another.order_id,
            cause=received.event,
        )
        await broker.publish(ORDER_COMMANDS, [Message.binary(command)])

    loop = Subscription(ORDERS, "loop")
    reacting = Consumer(broker, loop, CATALOGUE, {OrderPlaced: order_again}, transaction=None)
    await broker.publish(ORDER_COMMANDS, [message(order())])
    async with taking(own_shop, broker), running(reacting):
        await eventually(lambda: dead_letters(broker, ORDERS, loop.group))
    [letter] = await dead_letters(broker, ORDERS, loop.group)
    assert letter.error == "ChainTooDeep"
    assert [it.chaindepth for it in told(broker, "order-commands")] == list(range(0, 17, 2))
    placed = [it.chaindepth for it in told(broker, "orders") if it.type == "OrderPlaced"]
    assert placed == list(range(1, 18, 2))


async def test_what_can_t_be_taken_is_a_dead_letter_at_once(own_shop: Shop) -> None:
    broker, placed = MemoryBroker(), order()
    data = placed.model_dump(mode="json")
    await broker.publish(
        ORDER_COMMANDS,
        [
            message(placed, "good"),
            message(order(placed.order_id, customer="C-2"), "other"),
            message(order(), "no-items", data={**data, "items": []}),
            message(order(), "newer", schemaversion=2),
        ],
    )
    async with taking(own_shop, broker):
        await nothing_waits(broker)
        buried = {it.original.id: (it.error, it.text, it.tries) for it in await letters(broker)}
    assert buried == {
        "other": (
            "Unacceptable",
            f"order {placed.order_id} was placed before with another content",
            1,
        ),
        "no-items": (
            "SchemaRefused",
            "PlaceOrder: items: Tuple should have at least 1 item after validation, not 0",
            1,
        ),
        "newer": (
            "SchemaRefused",
            f"PlaceOrder came in {NEWER}",
            1,
        ),
    }


async def test_an_order_that_temporal_has_forgotten_is_not_placed_again(own_shop: Shop) -> None:
    broker, placed = MemoryBroker(), order()
    await broker.publish(ORDER_COMMANDS, [message(placed)])
    async with taking(own_shop, broker):
        await nothing_waits(broker)
        await own_shop.has_projected(placed.order_id)
        twin = await own_shop.forgotten_twin(placed.order_id)
        other = order(twin, customer="C-2")
        await broker.publish(ORDER_COMMANDS, [message(order(twin)), message(other, "other")])
        await nothing_waits(broker)
    assert await read_saga(own_shop.env.client, saga_id("order", twin)) is None
    assert [it.original.id for it in await letters(broker)] == ["other"]


async def test_a_temporal_that_is_away_is_waited_for(
    own_shop: Shop, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "TIME_LIMIT_SECONDS", 0.5)
    proxy = Proxy(own_shop.env.client.service_client.config.target_host)
    await proxy.forward()
    client = await Client.connect(f"127.0.0.1:{proxy.port}", plugins=[SagaPlugin()])
    await proxy.refuse()
    broker, placed = MemoryBroker(), order()
    await broker.publish(ORDER_COMMANDS, [message(placed)])
    try:
        async with taking(own_shop, broker, client):
            await soon(lambda: "messages wait" in caplog.text)
            assert await broker.waiting(ORDER_COMMANDS, GROUP) == 1
            await proxy.forward()
            await nothing_waits(broker)
            await own_shop.has_projected(placed.order_id)
    finally:
        await proxy.close()
    assert await letters(broker) == []
