"""Consumers are killed at random moments, and every message has had its effect once, in order.

SAGA_CHAOS_ROUNDS   how many kills in the longer form, 8 by default; beyond 25 messages grow, too
SAGA_CHAOS_SEED     the seed of a run that is to be repeated
"""

import asyncio
import multiprocessing
import os
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from multiprocessing.context import ForkServerProcess
from uuid import uuid4

import pytest
import pytest_asyncio
from sqlalchemy import func
from sqlmodel import col, select

from brokers.envelope import CloudEvent, Message
from brokers.opening import opened
from brokers.port import Broker, BrokerUnreachable, Channel
from services.database import Database
from tests.brokers.desk import GROUP, MODELS, Desk, DeskEffect, counted
from tests.brokers.inbox_consumer import consume
from tests.integration.processes import eventually
from tests.postgres import postgres_database

ROUNDS = int(os.environ.get("SAGA_CHAOS_ROUNDS", "8"))
SEED = int(os.environ.get("SAGA_CHAOS_SEED") or random.randrange(10**6))
LONG, SHORT = (ROUNDS, max(2000, 80 * ROUNDS)), (3, 400)
"""Kills, and messages."""
KEYS = 40
PAIR = 2
"""So many consumers share the messages, so that what one has held goes to the other at once."""

LIMIT = 60.0 + 5 * ROUNDS

pytestmark = pytest.mark.timeout(LIMIT + 60)


class Consumers:
    """Processes that are made by a fork of one that has imported everything: they start at once."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([consume.__module__])
        self.running: list[ForkServerProcess] = []

    def start(self) -> None:
        """Start one more."""
        process = self._context.Process(target=consume, args=self._arguments, daemon=True)
        process.start()
        self.running.append(process)

    def kill(self, process: ForkServerProcess) -> None:
        """End one as a machine that fails would."""
        self.running.remove(process)
        assert process.is_alive(), f"a consumer has ended by itself: {process.exitcode}"
        process.kill()
        process.join()

    def end(self) -> None:
        """Kill all."""
        for process in list(self.running):
            self.kill(process)


@pytest_asyncio.fixture(loop_scope="session")
async def database_url(postgres_url: str) -> AsyncIterator[str]:
    async with postgres_database(postgres_url) as url:
        yield url


@pytest.fixture
def channel() -> Channel:
    return Channel(f"killed-{uuid4().hex[:8]}", groups=(GROUP,))


@pytest.fixture
def consumers(rabbitmq_url: str, database_url: str, channel: Channel) -> Iterator[Consumers]:
    consumers = Consumers(rabbitmq_url, database_url, channel.name)
    yield consumers
    consumers.end()


@pytest.mark.parametrize(
    ("kills", "messages"), [SHORT, pytest.param(*LONG, marks=pytest.mark.long)]
)
async def test_consumers_are_killed_and_every_effect_is_there_once(
    rabbitmq_url: str,
    database_url: str,
    channel: Channel,
    consumers: Consumers,
    kills: int,
    messages: int,
) -> None:
    print(f"SAGA_CHAOS_SEED={SEED} SAGA_CHAOS_ROUNDS={ROUNDS}")
    rng = random.Random(SEED)
    events = [counted(n // KEYS, f"k{n % KEYS}") for n in range(messages)]
    database = Database(database_url, MODELS)
    await database.open()
    async with opened(rabbitmq_url) as broker:
        desk = Desk(broker, database)
        await eventually(lambda: _published(broker, channel, events))
        for _ in range(PAIR):
            consumers.start()
        for left in range(kills, 0, -1):
            await _until(desk, rng.randrange(1, messages // kills), messages - left)
            await asyncio.sleep(rng.uniform(0.0, 0.05))
            consumers.kill(rng.choice(consumers.running))
            consumers.start()
        await eventually(lambda: _has(desk, messages), seconds=LIMIT)
        # What the last ones have not acknowledged comes again, and nothing comes of it.
        consumers.end()
        await desk.handled(channel=channel)
        assert await desk.letters(channel) == []
    effects = await _by_key(desk)
    assert len(await desk.inbox()) == messages
    assert effects == {f"k{n}": list(range(messages // KEYS)) for n in range(KEYS)}
    await database.close()


async def _published(broker: Broker, channel: Channel, events: Sequence[CloudEvent]) -> bool:
    # A broker that has just started may not be able to yet; what it has taken comes twice then.
    try:
        await broker.publish(channel, [Message.binary(it) for it in events])
    except BrokerUnreachable:
        return False
    return True


async def _until(desk: Desk, more: int, most: int) -> None:
    """Wait for so many effects more, or for so many that only the last kills' share is left."""
    enough = min(await _count(desk) + more, most)
    await eventually(lambda: _has(desk, enough), seconds=LIMIT)


async def _has(desk: Desk, count: int) -> bool:
    return await _count(desk) >= count


async def _count(desk: Desk) -> int:
    async with desk.database.read() as session:
        return (await session.exec(select(func.count()).select_from(DeskEffect))).one()


async def _by_key(desk: Desk) -> dict[str, list[int]]:
    effects: dict[str, list[int]] = defaultdict(list)
    async with desk.database.read() as session:
        rows = await session.exec(select(DeskEffect).order_by(col(DeskEffect.number)))
        for row in rows:
            effects[row.key].append(row.n)
    return effects
