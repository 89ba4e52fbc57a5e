"""What Kafka's adapter does beyond the port: the wire, topics, places, a server that comes back."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import aclosing

import pytest
from cloudevents.core.bindings import kafka as sdk
from cloudevents.core.formats.json import JSONFormat
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from brokers.envelope import Message
from brokers.kafka import KafkaBroker
from brokers.kafka.layout import Layout, letters_of
from brokers.kafka.publishing import Publisher
from brokers.kafka.reading import read_to_end
from brokers.kafka.wire import Outgoing, texts
from brokers.port import Broker, BrokerUnreachable, Channel, Subscription
from tests.brokers.kafka_server import KafkaServer, LastingKafkaServer
from tests.brokers.promises.place import (
    TIME,
    Seen,
    consume,
    event,
    ids,
    in_turns,
    is_soon,
    named,
    running,
    some,
    take,
)
from tests.ports import free_port

KEYS = [f"key-{number}" for number in range(10)]


@pytest.fixture
async def broker(kafka_url: str) -> AsyncIterator[Broker]:
    broker = KafkaBroker(kafka_url)
    yield broker
    await broker.close()


@pytest.fixture
def admin(kafka_url: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": Layout.of_url(kafka_url).servers})


@pytest.fixture
def lasting() -> Iterator[LastingKafkaServer]:
    with LastingKafkaServer().running() as server:
        yield server


async def test_the_sdk_reads_what_is_on_the_wire(
    kafka_url: str, broker: Broker, channel: Channel
) -> None:
    placed = event("a")
    await broker.publish(channel, [Message.binary(placed), Message.structured(placed)])
    async with aclosing(read_to_end(Layout.of_url(kafka_url), channel.name)) as records:
        read = []
        async for record in records:
            headers = {name: value.encode() for name, value in texts(record.headers())}
            read.append(sdk.KafkaMessage(headers, record.key(), record.value() or b""))
    binary, structured = read
    assert binary.key == structured.key == b"a"
    assert binary.headers["ce_id"] == b"a-0"
    told = sdk.from_binary(binary, JSONFormat())
    attributes = {**placed.model_dump(exclude={"data"}, exclude_none=True), "time": TIME}
    assert {name: str(it) for name, it in told.get_attributes().items()} == {
        name: str(it) for name, it in attributes.items()
    }
    assert told.get_data() == placed.data
    whole = sdk.from_structured(structured, JSONFormat())
    assert (whole.get_id(), whole.get_data()) == (placed.id, placed.data)


async def test_what_the_sdk_and_others_write_is_read(
    kafka_url: str, broker: Broker, channel: Channel
) -> None:
    await broker.publish(channel, [])
    placed = event("a", 7)
    made = sdk.to_binary(
        sdk.from_structured(
            sdk.KafkaMessage(
                {"content-type": b"application/cloudevents+json"},
                None,
                Message.structured(placed).body,
            ),
            JSONFormat(),
        ),
        JSONFormat(),
    )
    producer = Producer({"bootstrap.servers": Layout.of_url(kafka_url).servers})
    headers: list[tuple[str, str | bytes | None]] = [*made.headers.items()]
    producer.produce(channel.name, made.value, made.key, headers=headers)
    producer.produce(channel.name, None, None, headers=[("X", None), ("Y", b"\xff")])
    assert await asyncio.to_thread(producer.flush, 10) == 0
    async with aclosing(broker.log(channel)) as log:
        read = sorted([it async for it in log], key=lambda it: it.id)
    bare, ours = read
    assert (ours.event(), ours.id, ours.key) == (placed, placed.id, "a")
    assert (bare.body, bare.id, dict(bare.headers)) == (b"", "", {"y": "\ufffd"})
    assert bare.key.startswith(f"{channel.name}.")


async def test_topics_are_made_as_the_url_says_and_taken_as_they_are(
    kafka_url: str, broker: Broker, channel: Channel, admin: AdminClient
) -> None:
    mine = KafkaBroker(f"{kafka_url}&partitions=5&replication=1")
    await mine.publish(channel, some("a", range(1)))
    await mine.bury(channel, "copy", some("a", range(1))[0])
    there = Channel(f"{channel.name}-there")
    [made] = admin.create_topics([NewTopic(there.name, 2)]).values()
    await asyncio.wrap_future(made)
    await mine.publish(there, some("a", range(1)))
    await mine.close()
    topics = (await asyncio.to_thread(admin.list_topics, timeout=5)).topics
    letters = letters_of(channel.name, "copy")
    assert [len(topics[it].partitions) for it in (channel.name, there.name, letters)] == [5, 2, 1]


@pytest.mark.long
async def test_places_wait_for_the_first_that_is_not_done(broker: Broker, channel: Channel) -> None:
    await broker.publish(channel, some("a", range(6)))
    subscription = Subscription(channel, "copy", prefetch=6)
    async with broker.subscribe(subscription) as deliveries:
        held = await take(deliveries, 6)
        for place in (1, 2, 4):
            await held[place].ack()
        assert await broker.waiting(channel, "copy") == 6
        await held[0].ack()
        await is_soon(3, lambda: broker.waiting(channel, "copy"))
    async with broker.subscribe(subscription) as deliveries:
        assert await ids(deliveries, 3) == named("a", range(3, 6))


async def test_of_two_who_remove_a_letter_at_once_one_has(
    kafka_url: str, broker: Broker, channel: Channel
) -> None:
    other = KafkaBroker(kafka_url)
    for letter in some("a", range(4)):
        await broker.bury(channel, "copy", letter)
        removals = [it.remove_dead_letter(channel, "copy", letter.id) for it in (broker, other)]
        assert sorted(await asyncio.gather(*removals)) == [False, True]
    await other.close()


async def test_who_has_removed_a_letter_is_told_so_though_it_is_buried_again(
    kafka_url: str, broker: Broker, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, [letter] = KafkaBroker(kafka_url), some("a", range(1))
    await broker.bury(channel, "copy", letter)
    publish = Publisher.publish

    async def outrun(
        it: Publisher, topic: str, records: Iterable[Outgoing], count: int, *, letters: bool = False
    ) -> None:
        await publish(it, topic, records, count, letters=letters)
        monkeypatch.undo()
        await other.bury(channel, "copy", letter)

    monkeypatch.setattr(Publisher, "publish", outrun)
    assert await broker.remove_dead_letter(channel, "copy", letter.id)
    assert await broker.dead_letters(channel, "copy") == [letter]
    await other.close()


@pytest.mark.long
async def test_a_server_that_comes_back_has_everything_and_its_consumers_go_on(
    lasting: LastingKafkaServer, channel: Channel
) -> None:
    broker, seen = KafkaBroker(lasting.url), Seen()
    consumer = asyncio.create_task(consume(broker, Subscription(channel, "copy"), seen))
    async with running(consumer):
        await broker.publish(channel, in_turns(KEYS, range(1)))
        await seen.all_of({key: range(1) for key in KEYS})
        await broker.publish(channel, in_turns(KEYS, range(1, 30)))
        await broker.bury(channel, "copy", some("a", range(1))[0])
        await asyncio.to_thread(lasting.kill)
        with pytest.raises(BrokerUnreachable, match=r"Kafka at 127\.0\.0\.1"):
            await broker.publish(channel, in_turns(KEYS, range(30, 31)))
        await asyncio.to_thread(lasting.start)
        await broker.publish(channel, in_turns(KEYS, range(30, 31)))
        await seen.all_of({key: range(31) for key in KEYS})
    assert [it.id for it in await broker.dead_letters(channel, "copy")] == ["a-0"]
    await is_soon(0, lambda: broker.waiting(channel, "copy"))
    await broker.close()


@pytest.mark.long
async def test_a_publisher_makes_a_topic_again_that_is_missing(
    kafka_alone: KafkaServer, channel: Channel
) -> None:
    broker = KafkaBroker(kafka_alone.url)
    await broker.publish(channel, some("a", range(1)))
    await asyncio.to_thread(kafka_alone.kill)
    with pytest.raises(BrokerUnreachable):
        await broker.publish(channel, some("a", range(1, 2)))
    await asyncio.to_thread(kafka_alone.start)
    await broker.publish(channel, some("b", range(1)))
    async with aclosing(broker.log(channel)) as log:
        assert "b-0" in [it.id async for it in log]
    await broker.close()


@pytest.mark.long
async def test_a_broker_that_is_away_is_told_in_one_line_and_soon(channel: Channel) -> None:
    broker = KafkaBroker(f"kafka://shop:hidden@127.0.0.1:{free_port()}")
    begun = time.monotonic()
    answers = await asyncio.gather(
        broker.publish(channel, some("a", range(1))),
        broker.waiting(channel, "copy"),
        broker.dead_letters(channel, "copy"),
        return_exceptions=True,
    )
    assert time.monotonic() - begun < 10
    for answer in answers:
        assert isinstance(answer, BrokerUnreachable)
        told = str(answer)
        assert told.startswith("Kafka at 127.0.0.1:")
        assert "Connection refused" in told
        assert "\n" not in told
        assert "hidden" not in told
    async with broker.subscribe(Subscription(channel, "copy")):
        pass
    await broker.close()
