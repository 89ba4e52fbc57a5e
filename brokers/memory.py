"""A broker inside this process, for trying things out: what it has is gone with it."""

import asyncio
import heapq
import zlib
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from brokers.envelope import Message
from brokers.port import Channel, Delivery, Subscription


@dataclass(order=True)
class _Place:
    """A message in a group's order, which it keeps until it is acknowledged."""

    number: int
    message: Message = field(compare=False)


class MemoryBroker:
    """Keeps everything, in order, for every group."""

    def __init__(self) -> None:
        self.messages: dict[str, list[Message]] = defaultdict(list)
        """By channel, in the order in which they came."""
        self._groups: dict[tuple[str, str], _Group] = {}
        self._dead: dict[tuple[str, str], list[Message]] = defaultdict(list)

    async def publish(
        self, channel: Channel, messages: Sequence[Message], *, again: bool = False
    ) -> None:
        """Keep the messages."""
        for group in channel.groups:
            self._group(channel, group)
        self.messages[channel.name].extend(messages)
        for (name, _), group_ in self._groups.items():
            if name == channel.name:
                group_.add(messages)

    @asynccontextmanager
    async def subscribe(self, subscription: Subscription) -> AsyncIterator[AsyncIterator[Delivery]]:
        """Deliver from the beginning on."""
        group = self._group(subscription.channel, subscription.group)
        consumer = _Consumer(group, subscription.prefetch)
        group.join(consumer)
        try:
            yield consumer.deliveries()
        finally:
            group.leave(consumer)

    async def log(self, channel: Channel) -> AsyncGenerator[Message]:
        """Everything."""
        for message in list(self.messages[channel.name]):
            yield message

    async def waiting(self, channel: Channel, group: str) -> int:
        """How many the group has still to get or to acknowledge."""
        return self._group(channel, group).unacknowledged

    async def bury(self, channel: Channel, group: str, message: Message) -> None:
        """Keep a dead letter."""
        self._dead[channel.name, group].append(message)

    async def dead_letters(self, channel: Channel, group: str) -> list[Message]:
        """The group's dead letters."""
        return list(self._dead[channel.name, group])

    async def remove_dead_letter(self, channel: Channel, group: str, letter_id: str) -> bool:
        """Take one away."""
        letters = self._dead[channel.name, group]
        kept = [letter for letter in letters if letter.id != letter_id]
        self._dead[channel.name, group] = kept
        return len(kept) < len(letters)

    async def close(self) -> None:
        """Nothing to let go of."""

    def _group(self, channel: Channel, name: str) -> "_Group":
        if (channel.name, name) not in self._groups:
            self._groups[channel.name, name] = made = _Group()
            made.add(self.messages[channel.name])
        return self._groups[channel.name, name]


class _Group:
    """What a group has still to get, and the consumers that it is dealt to."""

    def __init__(self) -> None:
        self._came = 0
        self._waiting: list[_Place] = []
        """A heap, as each consumer's `pending`."""
        self._consumers: list[_Consumer] = []

    @property
    def unacknowledged(self) -> int:
        return len(self._waiting) + sum(it.keys.total() for it in self._consumers)

    def add(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._came += 1
            heapq.heappush(self._waiting, _Place(self._came, message))
        self.deal()

    def join(self, consumer: "_Consumer") -> None:
        self._consumers.append(consumer)
        self.deal()

    def leave(self, consumer: "_Consumer") -> None:
        self._consumers.remove(consumer)
        self.put_back(*consumer.give_up())

    def put_back(self, *places: _Place) -> None:
        for place in places:
            heapq.heappush(self._waiting, place)
        self.deal()

    def deal(self) -> None:
        """Give each message to whose its key is, when nobody else has any of that key."""
        passed: list[_Place] = []
        keys_passed: set[str] = set()
        while self._waiting and any(it.room for it in self._consumers):
            place = heapq.heappop(self._waiting)
            key = place.message.key
            consumer = self._consumers[zlib.crc32(key.encode()) % len(self._consumers)]
            elsewhere = any(it.keys[key] for it in self._consumers if it is not consumer)
            if key in keys_passed or elsewhere or not consumer.room:
                keys_passed.add(key)
                passed.append(place)
            else:
                consumer.take(place)
        for place in passed:
            heapq.heappush(self._waiting, place)


class _Consumer:
    def __init__(self, group: _Group, prefetch: int) -> None:
        self._group = group
        self._prefetch = prefetch
        self._pending: list[_Place] = []
        self._under_way: list[_Place] = []
        self._came = asyncio.Event()
        self.keys: Counter[str] = Counter()
        """How many messages of each key are with this consumer."""

    @property
    def room(self) -> int:
        return self._prefetch - self.keys.total()

    def take(self, place: _Place) -> None:
        self.keys[place.message.key] += 1
        heapq.heappush(self._pending, place)
        self._came.set()

    def give_up(self) -> list[_Place]:
        held = self._pending + self._under_way
        self._pending, self._under_way = [], []
        self.keys.clear()
        return held

    async def deliveries(self) -> AsyncIterator[Delivery]:
        while True:
            # Others have their turn also where nobody ever has to wait.
            await asyncio.sleep(0)
            while not self._pending:
                self._came.clear()
                await self._came.wait()
            place = heapq.heappop(self._pending)
            self._under_way.append(place)
            yield _MemoryDelivery(place, self)

    def settle(self, place: _Place, *, done: bool) -> None:
        """One that is settled already, or is with somebody else by now, is left alone."""
        kept = [it for it in self._under_way if it is not place]
        if len(kept) == len(self._under_way):
            return
        self._under_way = kept
        key = place.message.key
        self.keys[key] -= 1
        if not self.keys[key]:
            del self.keys[key]
        if done:
            self._group.deal()
        else:
            # Another one, so that a delivery which was settled says nothing about the next.
            self._group.put_back(replace(place))


@dataclass(frozen=True)
class _MemoryDelivery:
    _place: _Place
    _consumer: _Consumer

    @property
    def message(self) -> Message:
        return self._place.message

    async def ack(self) -> None:
        await self._settle(done=True)

    async def release(self) -> None:
        await self._settle(done=False)

    async def _settle(self, *, done: bool) -> None:
        self._consumer.settle(self._place, done=done)
