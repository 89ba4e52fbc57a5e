"""The broker's server goes away and comes back."""

import asyncio
import time

import pytest

from brokers.port import Broker, BrokerUnreachable, Channel, Subscription
from tests.brokers.promises.place import (
    Place,
    Promises,
    Seen,
    consume,
    in_turns,
    running,
    some,
    take,
)

KEYS = [f"key-{number}" for number in range(5)]
BEFORE = 6
"""Rounds, each with a message of every key."""
UNREAD = 200
"""The number of rounds when it goes, where it remembers them."""


class Outages(Promises):
    """Subscriptions outlive it, and everyone else is told."""

    async def test_a_restart_is_told_and_outlived(
        self, place: Place, broker: Broker, channel: Channel
    ) -> None:
        server = place.server
        if server is None:
            pytest.skip("the broker's restart is not run: its server is not ours")
        early, late, round_ = Seen(), Seen(), BEFORE
        first = asyncio.create_task(consume(broker, Subscription(channel, "copy"), early))
        async with broker.subscribe(Subscription(channel, "other")) as deliveries:
            await broker.publish(channel, in_turns(KEYS, range(BEFORE)))
            await early.all_of({key: range(BEFORE) for key in KEYS})
            held, released = await take(deliveries, 2)
            if place.remembers:
                # Much of it is under way or not read when the server goes.
                round_ = UNREAD
                await broker.publish(channel, in_turns(KEYS, range(BEFORE, round_)))
            await asyncio.to_thread(server.kill)
            begun = time.monotonic()
            answers = await asyncio.gather(
                broker.publish(channel, some("lost", range(1))),
                broker.bury(channel, "copy", held.message),
                broker.dead_letters(channel, "copy"),
                broker.remove_dead_letter(channel, "copy", "l"),
                broker.waiting(channel, "copy"),
                return_exceptions=True,
            )
            # It can't be told, so both come again, and nobody has to know.
            await held.ack()
            await released.release()
            assert time.monotonic() - begun < place.tells_within
            for answer in answers:
                assert isinstance(answer, BrokerUnreachable), answers
                assert f"127.0.0.1:{server.port}" in str(answer)
        # One that begins while nobody answers, with a client of its own.
        other = place.open()
        second = asyncio.create_task(consume(other, Subscription(channel, "other"), late))
        async with running(first, second):
            await asyncio.to_thread(server.start)
            gapless_from = 0
            if not place.remembers:
                while not all(seen.have(KEYS, BEFORE) for seen in (early, late)):
                    round_ = await a_round_later(broker, channel, round_)
                gapless_from = round_
            for _ in range(10):
                round_ = await a_round_later(broker, channel, round_)
            for seen in (early, late):
                await seen.until_it_has(KEYS, round_ - 1)
                for key in KEYS:
                    numbers = seen.firsts[key]
                    assert numbers == sorted(numbers)
                    assert set(range(gapless_from, round_)) <= set(numbers)
        await other.close()


async def a_round_later(broker: Broker, channel: Channel, round_: int) -> int:
    """The number of the next round, when the broker has taken this one."""
    await broker.publish(channel, in_turns(KEYS, range(round_, round_ + 1)))
    return round_ + 1
