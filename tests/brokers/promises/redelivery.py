"""What is not acknowledged comes again, in its place."""

import asyncio
import sys
from pathlib import Path

from brokers.port import Broker, Channel, Subscription
from tests.brokers.promises import victim
from tests.brokers.promises.place import PATIENCE, Place, Promises, ids, named, next_of, some, take

ROOT = Path(__file__).parents[3]


class Redelivery(Promises):
    """After a release, and after a consumer that left."""

    async def test_what_is_released_comes_again_in_its_place(
        self, broker: Broker, channel: Channel
    ) -> None:
        await broker.publish(channel, some("a", range(6)))
        async with broker.subscribe(Subscription(channel, "copy", prefetch=4)) as deliveries:
            first = await take(deliveries, 4)
            await first[0].ack()
            for place in (2, 3, 1):
                await first[place].release()
            again = await take(deliveries, 4)
            assert [it.message.id for it in again] == named("a", range(1, 5))
            # Too late, and changes nothing for the next one who has it.
            await first[1].ack()
        async with broker.subscribe(Subscription(channel, "copy")) as deliveries:
            assert await ids(deliveries, 5) == named("a", range(1, 6))

    async def test_a_poison_message_comes_before_later_ones_until_it_is_buried(
        self, broker: Broker, channel: Channel
    ) -> None:
        await broker.publish(channel, some("a", range(4)))
        async with broker.subscribe(Subscription(channel, "copy", prefetch=2)) as deliveries:
            for _ in range(5):
                poison = await next_of(deliveries)
                assert poison.message.id == "a-0"
                await poison.release()
            poison = await next_of(deliveries)
            assert poison.message == some("a", range(1))[0]
            await broker.bury(channel, "copy", poison.message)
            await poison.ack()
            assert await ids(deliveries, 3) == named("a", range(1, 4))
        assert await broker.dead_letters(channel, "copy") == [poison.message]

    async def test_what_is_done_while_an_earlier_one_is_not_comes_no_more(
        self, broker: Broker, channel: Channel
    ) -> None:
        await broker.publish(channel, some("a", range(4)))
        async with broker.subscribe(Subscription(channel, "copy", prefetch=2)) as deliveries:
            first, second = await take(deliveries, 2)
            await first.release()
            await first.ack()  # Too late, and changes nothing.
            await second.ack()
            assert await ids(deliveries, 3) == ["a-0", "a-2", "a-3"]
        assert await broker.waiting(channel, "copy") == 0

    async def test_a_consumer_that_leaves_gives_back_what_it_holds(
        self, broker: Broker, channel: Channel
    ) -> None:
        await broker.publish(channel, some("a", range(12)))
        async with broker.subscribe(Subscription(channel, "copy")) as deliveries:
            await (await next_of(deliveries)).ack()
            left = await next_of(deliveries)
        await left.ack()  # Too late.
        async with broker.subscribe(Subscription(channel, "copy")) as deliveries:
            assert await ids(deliveries, 11) == named("a", range(1, 12))


class Crashes(Promises):
    """A consumer in a process of its own is killed."""

    async def test_what_a_killed_consumer_held_comes_again_in_order(
        self, place: Place, broker: Broker, channel: Channel
    ) -> None:
        await broker.publish(channel, some("a", range(6)))
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", victim.__name__, place.consumed_by, channel.name, "copy"),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(PATIENCE):
                told = [(await process.stdout.readline()).decode().strip() for _ in range(3)]
            assert told == named("a", range(3))
            # Meanwhile another one has come, who takes over.
            async with broker.subscribe(Subscription(channel, "copy")) as deliveries:
                process.kill()
                got = await ids(deliveries, 1)
                if got == named("a", range(1)) and not place.acks_at_once:
                    got = await ids(deliveries, 1)
                got += await ids(deliveries, 4)
            assert got == named("a", range(1, 6))
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
