"""Each message has its effects once, in order per key, as many at once as may be."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from brokers.consumer import Received, Retries, Unacceptable
from brokers.envelope import Message
from brokers.memory import MemoryBroker
from brokers.port import Channel, Delivery, Subscription
from tests.brokers.desk import (
    COUNTS,
    GROUP,
    ORDERS_TO_DESK,
    Count,
    Desk,
    Failing,
    counted,
    effect,
    soon,
)
from tests.integration.processes import eventually


async def test_what_comes_twice_is_done_once_in_order_per_key(either: Desk) -> None:
    events = [counted(n, key) for n in range(12) for key in "abc"]
    await either.publish(*events, *events)
    await either.handled()
    for key in "abc":
        assert await either.effects(key) == list(range(12))
    assert await either.inbox() == sorted(it.id for it in events)
    assert await either.letters() == []


async def test_two_groups_each_do_it_once(either: Desk) -> None:
    await either.publish(counted(1))
    await either.handled()
    async with either.database.write([]) as session:
        # What another consumer of the same database has handled is its own affair.
        await (await session.connection()).execute(
            text("UPDATE processed_events SET consumer = 'other'")
        )
    await either.publish(counted(1))
    await either.handled()
    assert await either.effects() == [1, 1]


async def test_two_at_once_with_the_same_event_do_it_once(either: Desk) -> None:
    """As after a broker's restart, or while a group is being shared out anew."""
    met, both = asyncio.Event(), []

    async def slow(received: Received[Any]) -> None:
        both.append(received.event.id)
        await asyncio.wait_for(met.wait(), 10)
        await effect(received)

    other = Desk(MemoryBroker(), either.database)
    for desk in (either, other):
        await desk.publish(counted(1))
    async with either.consuming(slow), other.consuming(slow):
        await soon(lambda: bool(both))
        met.set()
        await either.nothing_waits()
        await other.nothing_waits()
    assert (await either.effects(), both) == ([1], ["a-1"])


async def test_it_is_acknowledged_only_after_the_commit(desk: Desk) -> None:
    waited: list[int] = []

    async def look() -> None:
        waited.append(await desk.broker.waiting(COUNTS, GROUP))

    desk.database.before_commit = look
    await desk.publish(counted(1), counted(2), counted(2))
    await desk.handled()
    assert waited == [3, 2, 1]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"{", "UnreadableMessage"),
        (counted(1, type="Nonsense").model_dump_json().encode(), None),
        (counted(1, data={"n": "much"}).model_dump_json().encode(), "SchemaRefused"),
        (counted(1, schemaversion=7).model_dump_json().encode(), "SchemaRefused"),
        (counted(1, chaindepth=16).model_dump_json().encode(), None),
        (counted(1, chaindepth=17).model_dump_json().encode(), "ChainTooDeep"),
    ],
)
async def test_what_cannot_be_accepted_is_buried_at_once(
    desk: Desk, body: bytes, error: str | None
) -> None:
    headers = {"content-type": "application/cloudevents+json", "x-tenant": "t1"}
    await desk.broker.publish(COUNTS, [Message(body, "a", "the-id", headers)])
    await desk.publish(counted(2))
    count: list[tuple[str, str]] = []
    await desk.handled(count_letter=lambda *of: count.append(of))
    letters = await desk.letters()
    assert [it.error for it in letters] == [error] * (error is not None)
    assert count == [(COUNTS.name, GROUP)] * len(letters)
    assert (await desk.effects())[-1:] == [2]  # What came behind it goes on.
    for letter in letters:
        assert (letter.tries, letter.original.body) == (1, body)
        assert (letter.original.headers, letter.original.key) == (headers, "a")


async def test_a_handler_can_refuse(desk: Desk) -> None:
    handler = Failing(Unacceptable("no such\norder"))
    await desk.publish(counted(1), counted(2))
    await desk.handled(handler)
    [letter] = await desk.letters()
    assert (letter.error, letter.text, letter.tries) == ("Unacceptable", "no such", 1)
    assert (handler.tried, await desk.effects(), await desk.inbox()) == ([1, 2], [2], ["a-2"])


async def test_an_unknown_event_is_left_alone_and_an_unknown_command_is_not(desk: Desk) -> None:
    await desk.publish(counted(1, type="Noticed"), counted(2, type="Whatever"))
    await desk.handled()
    assert (await desk.letters(), await desk.inbox()) == ([], [])
    await desk.publish(
        counted(1, type="Count"), counted(2, type="Whatever"), channel=ORDERS_TO_DESK
    )
    await desk.handled(channel=ORDERS_TO_DESK, models=[Count])
    [letter] = await desk.letters(ORDERS_TO_DESK)
    assert (letter.error, letter.original.id) == ("SchemaRefused", "a-2")
    assert await desk.effects() == [1]
    nowhere = Channel("nowhere", groups=("desk",))
    await desk.publish(counted(1, "k", type="Noticed"), channel=nowhere)
    await desk.handled(channel=nowhere)
    assert [it.error for it in await desk.letters(nowhere)] == ["SchemaRefused"]


async def test_other_keys_go_on_while_one_waits_for_its_next_try(desk: Desk) -> None:
    async def handle(received: Received[Any]) -> None:
        if received.event.subject == "a":
            raise KeyError("a bug")
        await effect(received)

    async def only_waiting(count: int) -> bool:
        return await desk.broker.waiting(COUNTS, GROUP) == count

    await desk.publish(counted(1), counted(2), *(counted(n, "b") for n in range(40)))
    slow = Retries(tries=2, first=600.0, longest=600.0)
    async with desk.consuming(handle, retries=slow, lanes=1):
        await eventually(lambda: only_waiting(2))
    assert (await desk.effects("b"), await desk.letters()) == (list(range(40)), [])


async def test_no_more_is_held_than_may_be_under_way(desk: Desk) -> None:
    gate, handed = asyncio.Event(), 0

    class Generous(MemoryBroker):
        """Hands out as much as is taken."""

        @asynccontextmanager
        async def subscribe(
            self, subscription: Subscription
        ) -> AsyncIterator[AsyncIterator[Delivery]]:
            wide = replace(subscription, prefetch=1000)
            async with super().subscribe(wide) as deliveries:
                yield counting(deliveries)

    async def counting(deliveries: AsyncIterator[Delivery]) -> AsyncIterator[Delivery]:
        nonlocal handed
        async for delivery in deliveries:
            handed += 1
            yield delivery

    async def wait(received: Received[Any]) -> None:
        await gate.wait()
        await effect(received)

    desk = Desk(Generous(), desk.database)
    await desk.publish(*(counted(n, f"k{n}") for n in range(50)))
    async with desk.consuming(wait, prefetch=8):
        await soon(lambda: handed >= 9)
        for _ in range(100):
            await asyncio.sleep(0)
        assert handed == 9
        gate.set()
        await desk.nothing_waits()
    assert sorted(await desk.effects()) == list(range(50))


async def test_what_is_under_way_when_it_is_stopped_comes_again(either: Desk) -> None:
    under_way = asyncio.Event()

    async def hang(received: Received[Any]) -> None:
        await effect(received)
        await received.session.flush()
        under_way.set()
        await asyncio.Event().wait()

    await either.publish(*(counted(n, key) for n in range(3) for key in "ab"))
    async with either.consuming(hang):
        await asyncio.wait_for(under_way.wait(), 20)
    assert (await either.effects(), await either.inbox(), await either.letters()) == ([], [], [])
    assert await either.broker.waiting(COUNTS, GROUP) == 6
    await either.handled()
    assert (await either.effects("a"), await either.effects("b")) == ([0, 1, 2], [0, 1, 2])


async def test_stopped_between_two_tries_it_comes_again(desk: Desk) -> None:
    handler = Failing.always(KeyError("a bug"))
    await desk.publish(counted(1))
    async with desk.consuming(handler, retries=Retries(tries=5, first=600.0, longest=600.0)):
        await soon(lambda: handler.tried == [1])
    assert await desk.letters() == []
    await desk.handled()
    assert await desk.effects() == [1]


async def test_a_handler_that_is_cancelled_from_within_ends_no_lane(desk: Desk) -> None:
    async def cancelled(received: Received[Any]) -> None:
        if received.data.n == 1:
            inner = asyncio.ensure_future(asyncio.sleep(60))
            inner.cancel()
            await inner
        await effect(received)

    await desk.publish(counted(1), counted(2))
    await desk.handled(cancelled)
    assert [it.error for it in await desk.letters()] == ["RuntimeError"]
    assert await desk.effects() == [2]
