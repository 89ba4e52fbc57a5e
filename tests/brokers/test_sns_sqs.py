"""What SNS's and SQS's adapter does beyond the port, against moto's server."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from aiobotocore.session import get_session
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent as SdkEvent

from brokers.envelope import Message
from brokers.port import Broker, Channel, Subscription
from brokers.sns_sqs import SnsSqsBroker, member
from brokers.sns_sqs.connecting import Clients
from brokers.sns_sqs.layout import Layout, letters_of, queue_of
from brokers.sns_sqs.topology import Topology
from tests.brokers.promises.place import PATIENCE, event, ids, in_turns, next_of, some, take
from tests.brokers.sns_sqs_server import SnsSqsServer

if TYPE_CHECKING:
    from types_aiobotocore_sqs.client import SQSClient


@pytest.fixture(scope="module")
def url(sns_sqs_url: str) -> str:
    return sns_sqs_url


@pytest.fixture(scope="module")
async def broker(url: str) -> AsyncIterator[Broker]:
    broker = SnsSqsBroker(url)
    yield broker
    await broker.close()


@pytest.fixture(scope="module")
async def sqs(url: str) -> "AsyncIterator[SQSClient]":
    """What others have who use no adapter of ours."""
    layout = Layout.of_url(url)
    client: SQSClient
    async with get_session().create_client(
        "sqs", region_name=layout.region, endpoint_url=layout.endpoint
    ) as client:
        yield client


@pytest.fixture
def channel() -> Channel:
    return Channel(f"orders-{uuid4().hex[:8]}", ("copy",))


async def url_of(sqs: "SQSClient", channel: Channel) -> str:
    return (await sqs.get_queue_url(QueueName=queue_of(channel.name, "copy")))["QueueUrl"]


async def made(sqs: "SQSClient", channel: Channel) -> bool:
    listed = await sqs.list_queues(QueueNamePrefix=channel.name)
    return queue_of(channel.name, "copy") in str(listed.get("QueueUrls", []))


async def attributes(sqs: "SQSClient", channel: Channel) -> dict[str, str]:
    queue = await url_of(sqs, channel)
    answer = await sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])
    return {str(name): value for name, value in answer["Attributes"].items()}


async def test_others_read_the_wire_and_send(
    broker: Broker, channel: Channel, sqs: "SQSClient"
) -> None:
    async with broker.subscribe(Subscription(channel, "copy")) as deliveries:
        queue = await url_of(sqs, channel)
        await sqs.send_message(
            QueueUrl=queue,
            MessageBody=event("theirs").model_dump_json(exclude_none=True),
            MessageGroupId="g",
            MessageDeduplicationId=uuid4().hex,
        )
        delivery = await next_of(deliveries)
        assert delivery.message.event() == event("theirs")
        assert (delivery.message.key, delivery.message.id) == ("g", "theirs-0")
        await delivery.ack()
        # What looks like ours and is none hurts nobody.
        await sqs.send_message(
            QueueUrl=queue,
            MessageBody="base64,?",
            MessageGroupId="g",
            MessageDeduplicationId=uuid4().hex,
            MessageAttributes={
                "body-encoding": {"DataType": "String", "StringValue": "base64"},
                "message": {"DataType": "String", "StringValue": "{"},
            },
        )
        delivery = await next_of(deliveries)
        assert (delivery.message.body, delivery.message.key) == (b"base64,?", "g")
        await delivery.ack()

    await broker.publish(channel, [Message.binary(event("a"))])
    answer = await sqs.receive_message(
        QueueUrl=queue, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"]
    )
    [received] = answer["Messages"]
    read = JSONFormat().read(SdkEvent, received["Body"].encode())
    assert (read.get_id(), read.get_extension("correlationid")) == ("a-0", "c-1")
    told = {name: it.get("StringValue") for name, it in received["MessageAttributes"].items()}
    assert told.pop("message") is not None
    assert told == {"event-type": "OrderPlaced", "event-id": "a-0", "correlation-id": "c-1"}
    system = received["Attributes"]
    assert (system["MessageGroupId"], system["MessageDeduplicationId"]) == ("a", "a-0")


async def test_sns_swallows_repetitions(broker: Broker, channel: Channel) -> None:
    messages = some("a", range(2))
    await broker.publish(channel, messages)
    await broker.publish(channel, messages)
    assert await broker.waiting(channel, "copy") == 2


@pytest.mark.long
async def test_what_a_consumer_holds_is_extended_as_long_as_it_lives(
    broker: Broker, channel: Channel, url: str
) -> None:
    await broker.publish(channel, some("a", range(2)))
    slow = SnsSqsBroker(f"{url}&visibility=2")
    async with slow.subscribe(Subscription(channel, "copy", prefetch=1)) as deliveries:
        held = await next_of(deliveries)
        async with broker.subscribe(Subscription(channel, "copy")) as others:
            waiting = asyncio.create_task(ids(others, 1))
            done, _ = await asyncio.wait([waiting], timeout=2.6)
            assert not done
            await held.ack()
            # It has room again, so the next one is for whoever asks first.
            own = asyncio.create_task(ids(deliveries, 1))
            done, late = await asyncio.wait([waiting, own], return_when="FIRST_COMPLETED")
            assert [it.result() for it in done] == [["a-1"]]
            for it in late:
                it.cancel()
    await slow.close()


async def test_sqs_gives_a_slow_consumer_no_more_than_its_prefetch(
    broker: Broker, channel: Channel, sqs: "SQSClient"
) -> None:
    await broker.publish(channel, in_turns([f"k{number}" for number in range(6)], range(1)))
    async with broker.subscribe(Subscription(channel, "copy", prefetch=3)) as deliveries:
        held = await take(deliveries, 3)
        for _ in range(2):
            there = await attributes(sqs, channel)
            assert there["ApproximateNumberOfMessagesNotVisible"] == "3"
            await held.pop().ack()
            held.append(await next_of(deliveries))


async def test_a_letter_that_was_buried_twice_is_one(broker: Broker, channel: Channel) -> None:
    """As after an answer that was lost."""
    letter = Message(b"\xff", "a", "l-5", {"why": "é"})
    for _ in range(2):
        await broker.bury(channel, "copy", letter)
    assert await broker.dead_letters(channel, "copy") == [letter]
    assert await broker.remove_dead_letter(channel, "copy", "l-5")
    assert await broker.dead_letters(channel, "copy") == []


async def test_what_was_received_in_vain_too_often_is_a_dead_letter(
    channel: Channel, url: str
) -> None:
    broker = SnsSqsBroker(f"{url}&max_receives=1")
    await broker.publish(channel, [*some("a", range(12)), *some("b", range(1))])

    async def consume() -> None:
        async with broker.subscribe(Subscription(channel, "copy")) as deliveries:
            async for delivery in deliveries:
                if delivery.message.key == "b":
                    await delivery.ack()
                else:
                    await delivery.release()

    consuming = asyncio.create_task(consume())
    async with asyncio.timeout(PATIENCE):
        while await broker.waiting(channel, "copy"):
            await asyncio.sleep(0.05)
    consuming.cancel()
    await asyncio.wait([consuming])
    letters = await broker.dead_letters(channel, "copy")
    assert [it.event().id for it in letters] == [f"a-{number}" for number in range(12)]
    assert len({it.id for it in letters}) == 12
    assert all(it.key == "a" for it in letters)
    assert await broker.dead_letters(channel, "copy") == letters
    assert await broker.remove_dead_letter(channel, "copy", letters[11].id)
    assert await broker.dead_letters(channel, "copy") == letters[:11]
    await broker.close()


async def test_queues_are_made_for_their_topic_and_keep_others_settings(
    broker: Broker, channel: Channel, url: str, sqs: "SQSClient"
) -> None:
    await broker.publish(channel, [])
    there = await attributes(sqs, channel)
    assert f":{channel.name}.fifo" in there["Policy"]
    assert '"sns.amazonaws.com"' in there["Policy"]
    assert letters_of(channel.name, "copy") in there["RedrivePolicy"]
    assert there["FifoThroughputLimit"] == "perMessageGroupId"

    queue = await url_of(sqs, channel)
    await sqs.set_queue_attributes(QueueUrl=queue, Attributes={"MessageRetentionPeriod": "600"})
    later = SnsSqsBroker(f"{url}&max_receives=7")
    await later.publish(channel, [])
    await later.close()
    there = await attributes(sqs, channel)
    assert there["MessageRetentionPeriod"] == "600"
    assert json.loads(there["RedrivePolicy"])["maxReceiveCount"] == 7


async def test_a_channel_may_be_forgotten_while_it_is_made(url: str, channel: Channel) -> None:
    layout = Layout.of_url(url)
    clients = Clients(layout)
    topology = Topology(layout, clients)
    both = Channel(channel.name, ("copy", "other"))
    looking = asyncio.create_task(topology.queue(both, "copy"))
    # The first group is made, and the second one not all of it.
    while await topology.found(letters_of(channel.name, "other")) is None:
        assert not looking.done()
    topology.forget(both)
    assert (await looking).endswith(queue_of(channel.name, "copy"))
    await clients.close()


async def test_long_polling_brings_a_message_at_once(
    channel: Channel, sns_sqs_server: SnsSqsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # At the end it does not wait for what may be on its way, and asks for it.
    monkeypatch.setattr(member, "LEAVES_WITHIN", 0.1)
    broker = SnsSqsBroker(f"sns+sqs://eu-west-1?endpoint={sns_sqs_server.endpoint}&wait=1")
    async with broker.subscribe(Subscription(channel, "copy")) as deliveries:
        coming = asyncio.ensure_future(anext(deliveries))
        done, _ = await asyncio.wait([coming], timeout=0.3)
        assert not done
        await broker.publish(channel, some("a", range(1)))
        assert (await asyncio.wait_for(coming, 0.7)).message.id == "a-0"
        await coming.result().ack()
    await broker.close()


@pytest.mark.usefixtures("sns_sqs_server")
async def test_a_queue_that_is_gone_is_made_again_and_misses_nothing(
    broker: Broker, channel: Channel, sqs: "SQSClient"
) -> None:
    await broker.publish(channel, [])
    await sqs.delete_queue(QueueUrl=await url_of(sqs, channel))
    await broker.publish(channel, some("a", range(2)))
    async with broker.subscribe(Subscription(channel, "copy")) as deliveries:
        assert await ids(deliveries, 2) == ["a-0", "a-1"]


@pytest.mark.long
async def test_a_consumer_makes_again_what_a_restart_has_lost(
    broker: Broker, channel: Channel, sns_sqs_server: SnsSqsServer, sqs: "SQSClient"
) -> None:
    async with broker.subscribe(Subscription(channel, "copy")) as deliveries:
        await broker.publish(channel, some("a", range(1)))
        assert await ids(deliveries, 1) == ["a-0"]
        await asyncio.to_thread(sns_sqs_server.restart)
        async with asyncio.timeout(10):
            # Nobody else does.
            while not await made(sqs, channel):
                await asyncio.sleep(0.05)
        await broker.publish(channel, some("b", range(2)))
        assert await ids(deliveries, 2) == ["b-0", "b-1"]
