"""A consumer that is told to stop: what has a handler is finished, and nothing else begins."""

import asyncio
from typing import Any

from brokers.consumer import Received, Retries, Unacceptable, Unavailable
from brokers.draining import running
from brokers.envelope import Message
from brokers.memory import MemoryBroker
from brokers.port import BrokerUnreachable, Channel
from tests.brokers.desk import COUNTS, GROUP, Desk, counted, effect
from tests.integration.processes import eventually

FOR_EVER = Retries(first=600.0, longest=600.0)


async def test_what_is_under_way_is_finished_and_what_waits_is_not_begun(desk: Desk) -> None:
    begun, gate = asyncio.Event(), asyncio.Event()

    async def slow(received: Received[Any]) -> None:
        begun.set()
        await gate.wait()
        await effect(received)

    await desk.publish(counted(1), counted(2), counted(1, "b"))
    consumer = desk.consumer(slow, lanes=1)
    task = asyncio.create_task(consumer.run())
    await begun.wait()
    consumer.stop()
    gate.set()
    await asyncio.wait_for(task, 10)
    assert await desk.effects() == [1]
    assert await desk.broker.waiting(COUNTS, GROUP) == 2
    await desk.handled()
    assert (await desk.effects("a"), await desk.effects("b")) == ([1, 2], [1])


async def test_nothing_that_is_away_is_waited_for(desk: Desk) -> None:
    tried = asyncio.Event()

    async def away(received: Received[Any]) -> None:
        tried.set()
        raise Unavailable("away")

    await desk.publish(counted(1))
    consumer = desk.consumer(away, retries=FOR_EVER)
    async with asyncio.timeout(20), running([consumer], within=60):
        await tried.wait()
    assert await desk.broker.waiting(COUNTS, GROUP) == 1
    await desk.handled()
    assert await desk.effects() == [1]


async def test_a_letter_that_nobody_takes_is_no_letter(desk: Desk) -> None:
    tried = asyncio.Event()

    class NoLetters(MemoryBroker):
        async def bury(self, channel: Channel, group: str, message: Message) -> None:
            tried.set()
            raise BrokerUnreachable("away")

    async def refuse(received: Received[Any]) -> None:
        raise Unacceptable("no")

    desk = Desk(NoLetters(), desk.database)
    await desk.publish(counted(1))
    consumer = desk.consumer(refuse, retries=FOR_EVER)
    async with asyncio.timeout(20), running([consumer], within=60):
        await tried.wait()
    assert await desk.broker.waiting(COUNTS, GROUP) == 1


async def test_what_hangs_is_given_up(desk: Desk) -> None:
    begun = asyncio.Event()

    async def hang(received: Received[Any]) -> None:
        await effect(received)
        begun.set()
        await asyncio.Event().wait()

    await desk.publish(counted(1))
    async with asyncio.timeout(10), running([desk.consumer(hang)], within=0.05):
        await begun.wait()
    assert (await desk.effects(), await desk.broker.waiting(COUNTS, GROUP)) == ([], 1)


async def test_one_that_was_stopped_before_it_began_ends_at_once(desk: Desk) -> None:
    await desk.publish(counted(1))
    consumer = desk.consumer()
    consumer.stop()
    await asyncio.wait_for(consumer.run(), 10)

    async def waits() -> bool:
        return await desk.broker.waiting(COUNTS, GROUP) == 1

    await eventually(waits)
    assert await desk.effects() == []
