"""Messages come as they were published, to every group, in order per key, at least once."""

import asyncio
from contextlib import aclosing

import pytest

from brokers.envelope import Message
from brokers.port import Broker, Channel, NoLog, Subscription
from tests.brokers.promises.place import (
    Place,
    Promises,
    Seen,
    consume,
    event,
    ids,
    in_turns,
    named,
    next_of,
    running,
    some,
)

KEYS = [f"key-{number}" for number in range(6)]
NAMES = "é€\U0001f600 " * 10
LONG = "é " * 200
OTHERS = {"trace": "é\x01", "ce-unknown": "kept"}
"""Headers that are none of the event."""


class Carrying(Promises):
    """From `publish` to `subscribe` and `log`."""

    async def test_a_message_comes_as_it_was_published(
        self, broker: Broker, channel: Channel
    ) -> None:
        long = event("long").model_copy(update={"correlationid": NAMES, "type": "T" * 300})
        events = [
            Message.structured(event("structured"), {"x": "y"}),
            Message.binary(event("binary"), OTHERS),
            Message.binary(long),
        ]
        others = [
            Message(b"\xff\xfe\x00", "bytes", "b-1", {"content-type": "application/octet-stream"}),
            Message(b"", "nothing", "b-2"),
            Message(b"a\x00b", "control", "b-3"),
            Message("€ \U0001f600".encode(), NAMES, NAMES, {"content-type": "text/plain"}),
            Message(b"ids and keys of any length", LONG, LONG),
            Message(b"types, too", "type", "t-1", {"content-type": f"text/plain; x={'y' * 300}"}),
            Message(b"no id", "a", ""),
            Message(b"none either", "a", ""),
        ]
        await broker.publish(channel, [*events, *others])
        got: dict[tuple[str, bytes], Message] = {}
        async with broker.subscribe(Subscription(channel, "copy")) as deliveries:
            for _ in (*events, *others):
                delivery = await next_of(deliveries)
                message = delivery.message
                got[message.key, b"" if message.key in {"binary", "long"} else message.body] = (
                    message
                )
                await delivery.ack()
        for other in others:
            assert got[other.key, other.body] == other
        assert got["structured", events[0].body] == events[0]
        # A broker may carry a CloudEvent in another mode than the one it was given in.
        for sent in events[1:]:
            came = got[sent.key, b""]
            assert (came.event(), came.id) == (sent.event(), sent.id)
            if came != sent:
                assert came.headers == {
                    "content-type": "application/cloudevents+json",
                    **{it: sent.headers[it] for it in OTHERS if it in sent.headers},
                }

    async def test_each_group_gets_everything_in_order_per_key(
        self, place: Place, broker: Broker, channel: Channel
    ) -> None:
        copy, other = Seen(), Seen()
        mine = place.open()
        async with running(
            asyncio.create_task(consume(broker, Subscription(channel, "copy"), copy)),
            asyncio.create_task(consume(mine, Subscription(channel, "other", prefetch=3), other)),
        ):
            for start in range(0, 15, 5):
                await broker.publish(channel, in_turns(KEYS, range(start, start + 5)))
            for seen in (copy, other):
                await seen.all_of({key: range(15) for key in KEYS})
                assert seen.numbers == seen.firsts
        await mine.close()

    async def test_repetitions_come_or_are_swallowed_and_change_no_order(
        self, broker: Broker, channel: Channel
    ) -> None:
        messages = some("a", range(3))
        await broker.publish(channel, messages)
        await broker.publish(channel, messages)
        # This one comes also where repetitions are swallowed.
        await broker.publish(channel, messages[:1], again=True)
        await broker.publish(channel, some("a", range(3, 4)))
        got: list[str] = []
        async with broker.subscribe(Subscription(channel, "copy")) as deliveries:
            while not got or got[-1] != "a-3":
                got += await ids(deliveries, 1)
        once = named("a", range(3))
        assert got in ([*once, "a-0", "a-3"], [*once, *once, "a-0", "a-3"])

    async def test_a_group_that_comes_late_begins_where_the_broker_does(
        self, place: Place, broker: Broker, channel: Channel
    ) -> None:
        seen = Seen()
        first = 0 if place.keeps_log else 3
        await broker.publish(channel, in_turns(KEYS, range(3)))
        async with broker.subscribe(Subscription(channel, "late", prefetch=4)) as deliveries:
            await broker.publish(channel, in_turns(KEYS, range(3, 6)))
            while seen.firsts != {key: list(range(first, 6)) for key in KEYS}:
                delivery = await next_of(deliveries)
                seen.add(delivery.message)
                await delivery.ack()

    async def test_the_log_is_what_was_published_consumed_or_not(
        self, place: Place, broker: Broker, channel: Channel
    ) -> None:
        if not place.keeps_log:
            with pytest.raises(NoLog, match=channel.name):
                await log_of(broker, channel)
            return
        assert await log_of(broker, channel) == []
        published = in_turns(KEYS, range(3))
        await broker.publish(channel, published)
        async with broker.subscribe(Subscription(channel, "copy")) as deliveries:
            _ = await ids(deliveries, 5)
        # Some brokers have an order per key only.
        for _ in range(2):
            log = await log_of(broker, channel)
            for key in KEYS:
                of_key = [it for it in log if it.key == key]
                assert of_key == [it for it in published if it.key == key]
            assert len(log) == len(published)


async def log_of(broker: Broker, channel: Channel) -> list[Message]:
    async with aclosing(broker.log(channel)) as entries:
        return [it async for it in entries]
