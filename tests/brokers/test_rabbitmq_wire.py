"""What RabbitMQ's other clients are shown of a message, whatever it holds."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from brokers.envelope import Message
from brokers.port import Broker, Channel, Subscription
from brokers.rabbitmq import RabbitBroker
from brokers.rabbitmq.wire import to_wire
from tests.brokers.promises.place import event, next_of

STRUCTURED = {"content-type": "application/cloudevents+json; charset=utf-8"}


@pytest.fixture
async def broker(rabbitmq_url: str) -> AsyncIterator[Broker]:
    broker = RabbitBroker(rabbitmq_url)
    yield broker
    await broker.close()


@pytest.mark.parametrize("time", ["1969-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "once", ""])
async def test_a_time_that_amqp_cannot_have_is_in_the_event_alone(
    broker: Broker, time: str
) -> None:
    headers = {**Message.binary(event("a")).headers, "ce-time": time}
    message = Message(b"{}", "a", "a-0", headers)
    channel = Channel(f"orders-{uuid4().hex[:8]}", ("copy",))
    await broker.publish(channel, [message])
    async with broker.subscribe(Subscription(channel, "copy")) as deliveries:
        delivery = await next_of(deliveries)
        assert delivery.message == message
        await delivery.ack()


@pytest.mark.parametrize(
    "body", [b"no JSON", b"[]", b'{"type": 7, "correlationid": null}', b"\xff"]
)
def test_what_says_nothing_of_itself_is_shown_as_that(body: bytes) -> None:
    wire = to_wire(Message(body, "a", "a-0", STRUCTURED))
    assert (wire.type, wire.correlation_id, wire.timestamp) == (None, None, None)
    assert (wire.body, wire.message_id) == (body, "a-0")
