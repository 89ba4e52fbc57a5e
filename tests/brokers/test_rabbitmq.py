"""What RabbitMQ's adapter does beyond the port: routes, partitions, the net for killers."""

import asyncio
from collections.abc import AsyncIterator

import aio_pika
import pytest
from cloudevents.core.bindings import rabbitmq as sdk
from cloudevents.core.formats.json import JSONFormat

from brokers.envelope import Message
from brokers.port import Broker, Channel, Subscription
from brokers.rabbitmq import RabbitBroker
from brokers.rabbitmq.connecting import connect
from brokers.rabbitmq.layout import DELIVERIES, earlier_of
from brokers.rabbitmq.lookup import exists
from brokers.rabbitmq.partition import RabbitDelivery
from runtime.errors import SettingsError
from tests.brokers.promises.carrying import log_of
from tests.brokers.promises.place import (
    TIME,
    Seen,
    consume,
    event,
    ids,
    in_turns,
    is_soon,
    next_of,
    running,
    some,
)
from tests.brokers.rabbitmq_server import RabbitServer

KEYS = [f"key-{number}" for number in range(10)]


@pytest.fixture
async def broker(rabbitmq_url: str) -> AsyncIterator[Broker]:
    broker = RabbitBroker(rabbitmq_url)
    yield broker
    await broker.close()


@pytest.fixture
async def wire(rabbitmq_url: str) -> AsyncIterator[aio_pika.abc.AbstractChannel]:
    async with await aio_pika.connect(rabbitmq_url) as connection:
        yield await connection.channel()


async def test_the_sdk_reads_what_is_on_the_wire_and_routes_lead_by_type(
    broker: Broker, channel: Channel, wire: aio_pika.abc.AbstractChannel
) -> None:
    await broker.publish(channel, [])
    mine = await wire.declare_queue(exclusive=True)
    await mine.bind(channel.name, "OrderPlaced.*")
    placed, rejected = event("a"), event("a", 1).model_copy(update={"type": "OrderRejected"})
    await broker.publish(
        channel, [Message.binary(placed), Message.binary(rejected), Message.structured(placed)]
    )

    binary, structured = await mine.get(timeout=5), await mine.get(timeout=5)
    assert await mine.get(fail=False) is None
    for got in (binary, structured):
        assert got.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
        assert (got.message_id, got.type) == (placed.id, "OrderPlaced")
        assert (got.correlation_id, got.timestamp) == ("c-1", TIME)
    headers = {name: value for name, value in binary.headers.items() if isinstance(value, str)}
    read = sdk.from_binary(
        sdk.RabbitMQMessage(headers, binary.content_type, binary.body), JSONFormat()
    )
    assert read.get_attributes()["time"] == TIME
    told = {name: str(value) for name, value in read.get_attributes().items() if name != "time"}
    assert told == {
        name: str(value)
        for name, value in placed.model_dump(exclude={"data", "time"}, exclude_none=True).items()
    }
    assert read.get_data() == placed.data
    whole = sdk.from_structured(
        sdk.RabbitMQMessage({}, structured.content_type, structured.body), JSONFormat()
    )
    assert (whole.get_id(), whole.get_data()) == (placed.id, placed.data)


async def test_all_who_use_a_channel_agree_on_its_partitions(
    rabbitmq_url: str, broker: Broker, channel: Channel
) -> None:
    await broker.publish(channel, some("a", range(1)))
    other = RabbitBroker(f"{rabbitmq_url}?partitions=4")
    with pytest.raises(SettingsError, match="'4' but current is '8'"):
        await other.publish(channel, some("a", range(1)))
    with pytest.raises(SettingsError, match="'4' but current is '8'"):
        await consume(other, Subscription(channel, "shipping"), Seen())
    await other.close()


@pytest.mark.parametrize("query", ["partitions=0", "partitions=x", "queues=fast", "log_age=old"])
async def test_settings_that_cannot_be_are_refused(query: str) -> None:
    with pytest.raises(SettingsError, match="EVENT_BROKER_URL: "):
        RabbitBroker(f"amqp://localhost/?{query}")


@pytest.mark.long
async def test_a_group_that_begins_late_misses_nothing_while_others_publish(
    broker: Broker, channel: Channel, wire: aio_pika.abc.AbstractChannel
) -> None:
    await broker.publish(channel, in_turns(KEYS, range(30)))
    # What an attempt to begin that was cut off has left is no part of it.
    stale = await wire.declare_queue(
        earlier_of(channel.name, "late", 0),
        durable=True,
        arguments={"x-single-active-consumer": True},
    )
    await wire.default_exchange.publish(aio_pika.Message(b"", message_id="stale-0"), stale.name)
    seen = Seen()
    numbers = iter(range(30, 10_000))
    consumers = [
        asyncio.create_task(consume(broker, Subscription(channel, "late"), seen)) for _ in range(2)
    ]
    last = 29
    async with asyncio.timeout(20):
        while len(seen.numbers) < len(KEYS):
            last = next(numbers)
            await broker.publish(channel, in_turns(KEYS, range(last, last + 1)))
            await asyncio.sleep(0.02)
    await seen.all_of({key: range(last + 1) for key in KEYS})
    await is_soon(0, lambda: broker.waiting(channel, "late"))
    for consumer in consumers:
        consumer.cancel()
    await asyncio.wait(consumers)


async def test_a_message_that_ends_its_consumers_is_buried_by_rabbitmq(
    rabbitmq_url: str, channel: Channel
) -> None:
    broker = RabbitBroker(f"{rabbitmq_url}?partitions=1")
    subscription = Subscription(channel, "shipping", prefetch=1)
    killer, next_one = some("a", range(2))
    await broker.publish(Channel(channel.name, ("shipping",)), [killer, next_one])
    deaths = 0
    while True:
        async with broker.subscribe(subscription) as deliveries:
            delivery = await anext(deliveries)
            if delivery.message.id == next_one.id:
                await delivery.ack()
                break
            deaths += 1
            assert deaths <= DELIVERIES + 1
    assert deaths == DELIVERIES + 1
    async with asyncio.timeout(5):
        while not (letters := await broker.dead_letters(channel, "shipping")):
            await asyncio.sleep(0.02)
    assert [letter.event() for letter in letters] == [killer.event()]
    await broker.close()


@pytest.mark.long
async def test_many_may_publish_to_a_new_channel_at_once(
    rabbitmq_alone: RabbitServer, channel: Channel
) -> None:
    """The first stream of a node takes it longest to make."""
    brokers = [RabbitBroker(rabbitmq_alone.url) for _ in range(4)]
    late = asyncio.create_task(consume(brokers[0], Subscription(channel, "late"), Seen()))
    async with running(late):
        await asyncio.gather(*(it.publish(channel, some("a", range(1))) for it in brokers))
        assert len(await log_of(brokers[0], channel)) == len(brokers)
    for it in brokers:
        await it.close()


async def test_what_cannot_be_acknowledged_any_more_comes_again(
    broker: Broker, channel: Channel
) -> None:
    channel = Channel(channel.name, ("copy",))
    await broker.publish(channel, some("a", range(1)))
    async with broker.subscribe(Subscription(channel, "copy")) as deliveries:
        held = await next_of(deliveries)
        assert isinstance(held, RabbitDelivery)
        # As when the connection ends, and the member has not noticed.
        await held._partition.amqp.close()
        await held.ack()
        assert await ids(deliveries, 1) == ["a-0"]


async def test_the_number_of_a_channel_that_the_broker_has_closed_is_not_taken_again_at_once(
    rabbitmq_url: str,
) -> None:
    async with await connect(rabbitmq_url) as connection, connection.channel() as kept:
        assert kept.number == 1
        for _ in range(3):
            assert not await exists(connection, "nothing")
        assert (await connection.channel()).number == 5
        transport = connection.transport
        assert transport is not None
        transport.connection.connection_tune.channel_max = 6
        numbers = [(await connection.channel()).number for _ in range(3)]
        # In turn, and those that are open are left out.
        assert numbers == [6, 2, 3]
        assert (await connection.channel()).number == 4
        with pytest.raises(RuntimeError, match="all 6 channels"):
            _ = connection.channel()
