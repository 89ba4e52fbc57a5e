"""A slow consumer holds no more than its prefetch, and everyone sees what waits."""

import asyncio
import tracemalloc

from brokers.envelope import Message
from brokers.port import Broker, Channel, Subscription
from tests.brokers.promises.place import Promises, event, in_turns, is_soon, next_of, some, take

BODY = 32 * 1024
"""Bytes."""
BACKLOG = 64
"""Messages."""
KEYS = "abcd"


class Holding(Promises):
    """As long as a consumer has not acknowledged what it was given."""

    async def test_a_slow_consumer_holds_no_more_than_its_prefetch(
        self, broker: Broker, channel: Channel
    ) -> None:
        await broker.publish(channel, in_turns([f"key-{number}" for number in range(12)], range(1)))
        async with broker.subscribe(Subscription(channel, "copy", prefetch=3)) as deliveries:
            held = await take(deliveries, 3)
            for delivery in held:
                one_more = asyncio.ensure_future(anext(deliveries))
                # Time in which one that must not come would.
                done, _ = await asyncio.wait([one_more], timeout=0.4)
                assert not done
                await delivery.ack()
                async with asyncio.timeout(5):
                    await one_more

    async def test_what_waits_does_not_fill_the_memory_of_a_slow_consumer(
        self, broker: Broker, channel: Channel
    ) -> None:
        channel = Channel(channel.name, ("copy",))
        for number in range(BACKLOG // len(KEYS)):
            events = [event(key, number) for key in KEYS]
            large = [it.model_copy(update={"data": {"x": "y" * BODY}}) for it in events]
            await broker.publish(channel, [Message.structured(it) for it in large])
        tracemalloc.start()
        try:
            async with broker.subscribe(Subscription(channel, "copy", prefetch=2)) as deliveries:
                for _ in range(BACKLOG):
                    delivery = await next_of(deliveries)
                    assert len(delivery.message.body) > BODY
                    await delivery.ack()
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert most < BACKLOG * BODY / 2

    async def test_waiting_is_what_is_not_acknowledged(
        self, broker: Broker, channel: Channel
    ) -> None:
        assert await broker.waiting(channel, "copy") == 0
        await broker.publish(channel, some("a", range(6)))
        await is_soon(6, lambda: broker.waiting(channel, "copy"))
        await is_soon(6, lambda: broker.waiting(channel, "other"))
        async with broker.subscribe(Subscription(channel, "copy", prefetch=4)) as deliveries:
            held = await take(deliveries, 3)
            await is_soon(6, lambda: broker.waiting(channel, "copy"))
            for left, delivery in zip((5, 4, 3), held, strict=True):
                await delivery.ack()
                await is_soon(left, lambda: broker.waiting(channel, "copy"))
        await is_soon(3, lambda: broker.waiting(channel, "copy"))
        assert await broker.waiting(channel, "other") == 6
