"""Consumers of a group come and go and share its messages; a key is with one at a time."""

import asyncio
from collections import defaultdict

from brokers.port import Broker, Channel, Delivery, Subscription
from tests.brokers.promises.place import (
    Place,
    Promises,
    Seen,
    cancelled_after,
    ids,
    in_turns,
    named,
    running,
    some,
    until,
)

KEYS = [f"key-{number}" for number in range(24)]


class Crew:
    """Consumers of one group, and a publisher who does not run away from them."""

    def __init__(self, place: Place, channel: Channel) -> None:
        self.seen = Seen()
        self.published = 0
        """Rounds, each with a message of every key."""
        self.with_two: list[str] = []
        """Keys that two consumers had at the same time."""
        self.enough = asyncio.Event()
        self._place = place
        self._channel = channel
        self._under_way: dict[str, list[str]] = defaultdict(list)

    async def work(self, who: str) -> None:
        """Take what comes, several at once, until cancelled."""
        broker = self._place.open()
        try:
            async with (
                broker.subscribe(Subscription(self._channel, "copy")) as deliveries,
                asyncio.TaskGroup() as group,
            ):
                async for delivery in deliveries:
                    self.seen.add(delivery.message, who)
                    group.create_task(self._handle(delivery, who))
        finally:
            await broker.close()

    async def publish(self) -> None:
        """Round after round, until it is enough."""
        broker = self._place.open()
        while not self.enough.is_set():
            rounds = range(self.published, self.published + 1)
            await broker.publish(self._channel, in_turns(KEYS, rounds))
            self.published += 1
            await until(lambda: self._come > (self.published - 2) * len(KEYS))
        await broker.close()

    async def is_shared_by(self, *who: str) -> None:
        """Wait until each has got several keys, and nobody else any."""

        def shared() -> bool:
            by = self.seen.by
            if by.keys() - set(who):
                by.clear()
            return all(len(by.get(it, ())) >= 3 for it in who)

        self.seen.by.clear()
        await until(shared)

    @property
    def _come(self) -> int:
        return sum(len(it) for it in self.seen.firsts.values())

    async def _handle(self, delivery: Delivery, who: str) -> None:
        key = delivery.message.key
        self._under_way[key].append(who)
        if set(self._under_way[key]) != {who}:
            self.with_two.append(key)
        try:
            # Work, in which others could get the same key.
            await asyncio.sleep(0.03)
        finally:
            self._under_way[key].remove(who)
        await delivery.ack()


class Sharing(Promises):
    """Within a group."""

    async def test_consumers_come_and_go_and_no_key_is_with_two_of_them(
        self, place: Place, broker: Broker, channel: Channel
    ) -> None:
        channel = Channel(channel.name, ("copy",))
        await broker.publish(channel, [])
        crew = Crew(place, channel)
        first = asyncio.create_task(crew.work("first"))
        publishing = asyncio.create_task(crew.publish())
        async with cancelled_after(first, publishing):
            await crew.is_shared_by("first")
            async with running(
                asyncio.create_task(crew.work("second")), asyncio.create_task(crew.work("third"))
            ):
                await crew.is_shared_by("first", "second", "third")
                # What was under way when keys changed hands was waited for, and came once.
                assert crew.seen.numbers == crew.seen.firsts
                assert not first.done()
                first.cancel()
                await asyncio.wait([first])
                await crew.is_shared_by("second", "third")
                crew.enough.set()
                await publishing
                await crew.seen.all_of({key: range(crew.published) for key in KEYS})
        assert crew.with_two == []

    async def test_each_subscriber_goes_on_where_the_one_before_has_stopped(
        self, broker: Broker, channel: Channel
    ) -> None:
        await broker.publish(channel, some("a", range(12)))
        for start in range(0, 12, 4):
            async with broker.subscribe(Subscription(channel, "copy", prefetch=8)) as deliveries:
                assert await ids(deliveries, 4) == named("a", range(start, start + 4))
        assert await broker.waiting(channel, "copy") == 0
        assert await broker.waiting(channel, "other") == 12
