"""A broker for the promises to be tried on, and what each of them needs to try them."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from uuid import uuid4

import pytest

from brokers.envelope import CloudEvent, Message
from brokers.port import Broker, Channel, Delivery, Subscription

TIME = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

PATIENCE = 20.0
"""Seconds to wait for what must come; what is held for longer was not given back."""


class Server(Protocol):
    """A broker's server that the tests have started."""

    port: int

    def kill(self) -> None:
        """As a machine that fails."""

    def start(self) -> None:
        """Again, where it was; return when it takes connections."""


@dataclass(frozen=True)
class Place:
    """A broker, as the file that binds the promises to it describes it."""

    open: Callable[[], Broker]
    """One more client of it; the place of a broker inside this process has only the one."""
    consumed_by: str = ""
    """The URL for a consumer that is killed: if there is a time in which nobody notices, a short
    one."""
    server: Server | None = None
    """None where there is none that the tests may kill."""
    keeps_log: bool = True
    """Otherwise a group that comes late begins with what is published from then on."""
    remembers: bool = True
    """Otherwise the server has nothing when it starts again."""
    tells_within: float = 5.0
    """Seconds in which everybody is told that nobody answers."""
    looks: int = 8
    """How many may look at a group's dead letters at once, each of whom sees them all."""
    acks_at_once: bool = True
    """Otherwise what a consumer has acknowledged just before it is killed may come again."""


class Promises:
    """What all of them share: a broker, and a channel with the two groups `copy` and `other`."""

    @pytest.fixture
    async def broker(self, place: Place) -> AsyncIterator[Broker]:
        broker = place.open()
        yield broker
        await broker.close()

    @pytest.fixture
    def channel(self) -> Channel:
        return Channel(f"orders-{uuid4().hex[:8]}", ("copy", "other"))


def event(key: str, number: int = 0) -> CloudEvent:
    return CloudEvent(
        id=f"{key}-{number}",
        source="orders",
        type="OrderPlaced",
        subject=key,
        time=TIME,
        correlationid="c-1",
        partitionkey=key,
        data={"number": number},
    )


def some(key: str, numbers: range) -> list[Message]:
    return [Message.structured(event(key, number)) for number in numbers]


def in_turns(keys: Sequence[str], numbers: range) -> list[Message]:
    """Messages of several keys, each key's turn after the other's."""
    return [Message.structured(event(key, number)) for number in numbers for key in keys]


def named(key: str, numbers: range) -> list[str]:
    """Their ids."""
    return [f"{key}-{number}" for number in numbers]


class Seen:
    """What came, by key, and who got it."""

    def __init__(self) -> None:
        self.numbers: dict[str, list[int]] = defaultdict(list)
        self.by: dict[str, set[str]] = defaultdict(set)
        """The keys that each one has got."""

    def add(self, message: Message, who: str = "") -> None:
        key, _, number = message.id.rpartition("-")
        self.numbers[key].append(int(number))
        self.by[who].add(key)

    @property
    def firsts(self) -> dict[str, list[int]]:
        """Without repetitions."""
        return {key: list(dict.fromkeys(numbers)) for key, numbers in self.numbers.items()}

    def have(self, keys: Sequence[str], number: int) -> bool:
        """Whether this one or a later one of each key has come."""
        return all(max(self.numbers[key], default=-1) >= number for key in keys)

    async def until_it_has(self, keys: Sequence[str], number: int) -> None:
        await until(lambda: self.have(keys, number))

    async def all_of(self, expected: Mapping[str, Sequence[int]]) -> None:
        """Wait for as many, and compare: each key's first times are in order."""
        await until(
            lambda: all(len(self.firsts.get(key, ())) >= len(expected[key]) for key in expected)
        )
        assert self.firsts == {key: list(numbers) for key, numbers in expected.items()}


async def next_of(deliveries: AsyncIterator[Delivery]) -> Delivery:
    async with asyncio.timeout(PATIENCE):
        return await anext(deliveries)


async def take(deliveries: AsyncIterator[Delivery], count: int) -> list[Delivery]:
    return [await next_of(deliveries) for _ in range(count)]


async def ids(deliveries: AsyncIterator[Delivery], count: int) -> list[str]:
    """The ids of the next ones, each acknowledged before the next is asked for."""
    got = []
    for _ in range(count):
        delivery = await next_of(deliveries)
        got.append(delivery.message.id)
        await delivery.ack()
    return got


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not done():
            await asyncio.sleep(0.02)


async def is_soon(expected: int, ask: Callable[[], Awaitable[int]]) -> None:
    """A broker may take a moment to count."""
    async with asyncio.timeout(PATIENCE):
        while await ask() != expected:
            await asyncio.sleep(0.02)


async def consume(broker: Broker, subscription: Subscription, seen: Seen, who: str = "") -> None:
    async with broker.subscribe(subscription) as deliveries:
        async for delivery in deliveries:
            seen.add(delivery.message, who)
            await delivery.ack()


@asynccontextmanager
async def cancelled_after(*tasks: asyncio.Task[None]) -> AsyncIterator[None]:
    """Tasks that end with the context, if not before."""
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


@asynccontextmanager
async def running(*tasks: asyncio.Task[None]) -> AsyncIterator[None]:
    """Consumers that go on until the end of the context."""
    async with cancelled_after(*tasks):
        yield
        for task in tasks:
            assert not task.done(), task
