"""What fails is tried again, waits for what is away, or is buried; nothing is lost or doubled."""

import logging
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionInTime

from brokers.consumer import Received, Retries, Unacceptable, Unavailable
from brokers.dead_letters import REPLAY_FOR
from brokers.envelope import Message
from brokers.memory import MemoryBroker
from brokers.port import BrokerUnreachable, Channel, Delivery, Subscription
from tests.brokers.desk import (
    COUNTS,
    GROUP,
    Desk,
    Failing,
    counted,
    desk_on,
    effect,
    soon,
)
from tests.integration.proxy import Proxy
from tests.postgres import postgres_database


async def test_a_bug_is_tried_again_and_then_buried(
    either: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    await either.publish(counted(1), counted(2))
    handler = Failing(*[KeyError("stock")] * 3)
    await either.handled(handler)
    [letter] = await either.letters()
    assert (letter.error, letter.text, letter.tries) == ("KeyError", "'stock'", 3)
    assert (letter.original.id, letter.event and letter.event.type) == ("a-1", "Counted")
    assert letter.first_failure
    assert letter.last_failure
    assert letter.first_failure < letter.last_failure
    assert handler.tried == [1, 1, 1, 2]
    assert await either.effects() == [2]  # Each try was rolled back.
    [buried] = [it for it in caplog.records if it.levelno == logging.ERROR]
    assert buried.exc_info
    assert letter.id in buried.getMessage()


async def test_a_bug_that_passes_is_no_letter(desk: Desk) -> None:
    await desk.publish(counted(1))
    await desk.handled(Failing(ValueError("odd"), RuntimeError("odder")))
    assert (await desk.effects(), await desk.letters()) == ([1], [])


def busy() -> OperationalError:
    """As SQLAlchemy tells of a SQLite database that another process writes to."""
    cause = sqlite3.OperationalError("database is locked")
    cause.sqlite_errorcode = sqlite3.SQLITE_BUSY
    return OperationalError("COMMIT", None, cause)


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError("no"),
        TimeoutError(),
        Unavailable("Temporal does not answer"),
        BrokerUnreachable("no broker"),
        NoConnectionInTime("pool"),
        busy(),
        ExceptionGroup("both", [OSError("a"), TimeoutError()]),
    ],
    ids=lambda it: type(it).__name__,
)
async def test_an_outage_is_waited_for_without_end(
    desk: Desk, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    await desk.publish(counted(1), counted(1, "b"))
    handler = Failing(*[error] * 20)
    with caplog.at_level(logging.INFO, "consumer"):
        await desk.handled(handler, retries=Retries(tries=3, first=0.001, longest=0.002))
    assert (len(handler.tried), await desk.effects(), await desk.letters()) == (22, [1, 1], [])
    assert [it.levelname for it in caplog.records if it.name == "consumer"] == ["WARNING", "INFO"]


async def test_a_database_that_is_away_buries_nothing(
    postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with postgres_database(postgres_url) as url:
        folder = parse_qs(urlsplit(url).query)["host"][0]
        proxy = Proxy(f"{folder}/.s.PGSQL.5432")
        await proxy.forward()
        parts = urlsplit(url)
        through = f"postgresql://{parts.username}@127.0.0.1:{proxy.port}{parts.path}"
        async with desk_on(through) as desk:
            await desk.publish(*(counted(n) for n in range(3)))
            async with desk.consuming():
                await desk.nothing_waits()
                await proxy.refuse()
                await desk.publish(*(counted(n) for n in range(3, 6)))
                await soon(lambda: "are tried again" in caplog.text)
                await proxy.forward()
                await desk.nothing_waits()
            assert (await desk.effects(), await desk.letters()) == (list(range(6)), [])
        await proxy.close()


async def test_an_inbox_that_is_not_there_buries_nothing(
    either: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    async def rename(old: str, new: str) -> None:
        async with either.database.write([]) as session:
            await (await session.connection()).execute(text(f"ALTER TABLE {old} RENAME TO {new}"))

    await rename("processed_events", "gone")
    await either.publish(counted(1))
    async with either.consuming():
        await soon(lambda: "are tried again" in caplog.text)
        await rename("gone", "processed_events")
        await either.nothing_waits()
    assert (await either.effects(), await either.letters()) == ([1], [])


async def test_a_message_that_the_database_cannot_keep_is_buried(either: Desk) -> None:
    await either.publish(counted(1, id="a\0b"), counted(2), counted(1, "b"))
    await either.handled()
    # SQLite keeps it.
    kept = "a\0b" in await either.inbox()
    assert [it.tries for it in await either.letters()] == ([] if kept else [3])
    assert await either.effects("a") == ([1, 2] if kept else [2])
    assert await either.effects("b") == [1]


class Moody(MemoryBroker):
    """A broker that is away some times."""

    def __init__(self, *, burials: int = 0, acks: int = 0) -> None:
        super().__init__()
        self.burials, self.acks = burials, acks

    async def bury(self, channel: Channel, group: str, message: Message) -> None:
        self.burials -= 1
        if self.burials >= 0:
            raise BrokerUnreachable("gone for a moment")
        await super().bury(channel, group, message)

    @asynccontextmanager
    async def subscribe(self, subscription: Subscription) -> AsyncIterator[AsyncIterator[Delivery]]:
        async with super().subscribe(subscription) as deliveries:
            yield self._moody(deliveries)

    async def _moody(self, deliveries: AsyncIterator[Delivery]) -> AsyncIterator[Delivery]:
        async for delivery in deliveries:
            yield MoodyDelivery(self, delivery)


class MoodyDelivery:
    def __init__(self, broker: Moody, delivery: Delivery) -> None:
        self.message = delivery.message
        self._broker, self._delivery = broker, delivery

    async def ack(self) -> None:
        self._broker.acks -= 1
        if self._broker.acks >= 0:
            await self._delivery.release()
            raise BrokerUnreachable("gone for a moment")
        await self._delivery.ack()

    async def release(self) -> None:
        await self._delivery.release()


async def test_a_broker_that_is_away_loses_no_letter(desk: Desk) -> None:
    desk = Desk(Moody(burials=20), desk.database)
    await desk.publish(counted(1), counted(2))
    await desk.handled(Failing(Unacceptable("no")))
    assert [it.text for it in await desk.letters()] == ["no"]
    assert await desk.effects() == [2]


async def test_stopped_while_it_is_buried_it_comes_again(desk: Desk) -> None:
    broker = Moody(burials=1_000_000)
    desk = Desk(broker, desk.database)
    await desk.publish(counted(1))
    async with desk.consuming(Failing.always(Unacceptable("no"))):
        await soon(lambda: broker.burials < 1_000_000)
    assert await broker.waiting(COUNTS, GROUP) == 1
    broker.burials = 0
    await desk.handled(Failing.always(Unacceptable("no")))
    assert len(await desk.letters()) == 1


async def test_an_ack_that_is_lost_does_nothing_twice(desk: Desk) -> None:
    desk = Desk(Moody(acks=5), desk.database)
    await desk.publish(*(counted(n) for n in range(4)))
    await desk.handled()
    assert await desk.effects() == [0, 1, 2, 3]


async def test_what_is_replayed_for_another_group_is_left_alone(desk: Desk) -> None:
    await desk.publish(counted(1), headers={REPLAY_FOR: "others"})
    await desk.publish(counted(2), headers={REPLAY_FOR: GROUP})
    await desk.handled()
    assert (await desk.effects(), await desk.inbox()) == ([2], ["a-2"])


async def test_a_loop_of_events_ends_in_a_dead_letter(desk: Desk) -> None:
    async def and_again(received: Received[Any]) -> None:
        await effect(received)
        deeper = received.event.chaindepth + 1
        await desk.publish(counted(received.data.n + 1, chaindepth=deeper))

    await desk.publish(counted(0))
    await desk.handled(and_again, deepest_chain=5)
    assert await desk.effects() == list(range(6))
    [letter] = await desk.letters()
    assert letter.text == "6 messages led to this one, and 5 may: is it a loop?"


def test_pauses_double_with_chance_in_them_up_to_the_longest() -> None:
    retries = Retries(tries=9, first=1.0, longest=8.0)
    for tried, full in [(1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (5, 8.0), (100_000, 8.0)]:
        pauses = {retries.pause(tried) for _ in range(50)}
        assert full / 2 <= min(pauses) < max(pauses) <= full
