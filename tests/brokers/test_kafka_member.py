"""A Kafka consumer that has no room, and one whose partitions somebody else gets."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest
from confluent_kafka import Message as WireMessage

from brokers.kafka import KafkaBroker, polling
from brokers.kafka.polling import PAUSES_AFTER, Polling
from brokers.kafka.share import Share
from brokers.port import Broker, Channel, Delivery, Subscription
from tests.brokers.promises.place import (
    Seen,
    consume,
    ids,
    in_turns,
    next_of,
    running,
    some,
    take,
    until,
)

KEYS = [f"key-{number}" for number in range(24)]
LOOKS = 25
"""How often the thread looks for room before it counts as having gone on looking."""


@pytest.fixture
async def broker(kafka_url: str) -> AsyncIterator[Broker]:
    broker = KafkaBroker(kafka_url)
    yield broker
    await broker.close()


@pytest.fixture
async def other(kafka_url: str) -> AsyncIterator[Broker]:
    broker = KafkaBroker(kafka_url)
    yield broker
    await broker.close()


class Watched:
    """What the thread of a consumer does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.come = self.looks = self.pauses = self.asked = 0
        take, wait = Share.take, Share.wait_for_room
        pause, give = Polling._pause, Share.give_up

        def taking(share: Share, number: int, offset: int, incoming: WireMessage) -> None:
            self.come += 1
            take(share, number, offset, incoming)

        def waiting(share: Share, seconds: float) -> bool:
            self.looks += 1
            return wait(share, seconds)

        def pausing(it: Polling) -> None:
            self.pauses += 1
            pause(it)

        def giving(share: Share, numbers: list[int], within: float) -> None:
            self.asked += share._under_way()
            give(share, numbers, within)

        monkeypatch.setattr(Share, "take", taking)
        monkeypatch.setattr(Share, "wait_for_room", waiting)
        monkeypatch.setattr(Polling, "_pause", pausing)
        monkeypatch.setattr(Share, "give_up", giving)

    async def looks_on(self) -> None:
        """The thread has had no room for some looks more."""
        enough = self.looks + LOOKS
        await until(lambda: self.looks >= enough)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    return Watched(monkeypatch)


class Clock:
    """One that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(polling, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


@pytest.mark.long
async def test_without_room_it_holds_no_more_than_fits_and_goes_on_afterwards(
    broker: Broker, channel: Channel, watched: Watched, clock: Clock
) -> None:
    prefetch, all_ = 3, range(60)
    await broker.publish(channel, some("a", all_))
    async with broker.subscribe(Subscription(channel, "copy", prefetch=prefetch)) as deliveries:
        for start in (0, prefetch):
            held = await take(deliveries, prefetch)
            await watched.looks_on()
            clock.now += PAUSES_AFTER + 0.1
            await watched.looks_on()
            await watched.looks_on()
            # Those that wait, and what came while it listened for the answer to a commit.
            assert watched.come <= start + 2 * prefetch + LOOKS
            assert watched.pauses
            watched.pauses = 0
            for delivery in held:
                await delivery.ack()
        rest = range(2 * prefetch, all_.stop)
        assert await ids(deliveries, len(rest)) == [f"a-{number}" for number in rest]
    # Nothing came twice into its hands, either.
    assert watched.come == all_.stop


@pytest.mark.long
async def test_a_consumer_that_is_merely_slow_never_pauses(
    broker: Broker, channel: Channel, watched: Watched, clock: Clock
) -> None:
    # So many that what comes while it listens for the answer to a commit is less.
    prefetch, rounds = 50, 4
    await broker.publish(channel, some("a", range(prefetch * (rounds + 2))))
    async with broker.subscribe(Subscription(channel, "copy", prefetch=prefetch)) as deliveries:
        for _ in range(rounds):
            held = await take(deliveries, prefetch)
            await watched.looks_on()
            clock.now += PAUSES_AFTER * 0.6
            await watched.looks_on()
            for delivery in held:
                await delivery.ack()
    assert watched.pauses == 0


@pytest.mark.long
async def test_without_room_it_hears_of_another_who_joins(
    broker: Broker, other: Broker, channel: Channel, watched: Watched
) -> None:
    await broker.publish(channel, in_turns(KEYS, range(2)))
    subscription, seen = Subscription(channel, "copy", prefetch=1), Seen()
    async with broker.subscribe(subscription) as deliveries:
        held = await next_of(deliveries)
        await until(lambda: watched.pauses > 0)
        joined = asyncio.create_task(consume(other, subscription, seen, "joined"))
        async with running(joined):
            await until(lambda: len(seen.by["joined"]) >= 3)
            # It may have been its partition; what it has not acknowledged then comes again.
            seen.add(held.message, "first")
            await held.ack()
            first = asyncio.create_task(_take_on(deliveries, seen))
            async with running(first):
                await seen.all_of({key: range(2) for key in KEYS})
    assert seen.by["first"] - seen.by["joined"]


async def _take_on(deliveries: AsyncIterator[Delivery], seen: Seen) -> None:
    async for delivery in deliveries:
        seen.add(delivery.message, "first")
        await delivery.ack()


@pytest.mark.long
async def test_what_is_under_way_when_another_joins_comes_to_nobody_else(
    broker: Broker, other: Broker, channel: Channel, watched: Watched
) -> None:
    await broker.publish(channel, in_turns(KEYS, range(1)))
    subscription, seen = Subscription(channel, "copy", prefetch=len(KEYS)), Seen()
    async with broker.subscribe(subscription) as deliveries:
        held = await take(deliveries, len(KEYS))
        joined = asyncio.create_task(consume(other, subscription, seen, "joined"))
        async with running(joined):
            await until(lambda: watched.asked > 0)
            # Time in which one that must not come would.
            await asyncio.sleep(0.3)
            for delivery in held:
                seen.add(delivery.message, "first")
                await delivery.ack()
            first = asyncio.create_task(_take_on(deliveries, seen))
            async with running(first):
                await broker.publish(channel, in_turns(KEYS, range(1, 2)))
                await seen.all_of({key: range(2) for key in KEYS})
    assert seen.numbers == seen.firsts
