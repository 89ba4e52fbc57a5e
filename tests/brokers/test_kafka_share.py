"""A Kafka member's share by itself: what is handed out, and whose places are committed."""

import asyncio
import threading

from confluent_kafka import Message as WireMessage

from brokers.kafka.share import KafkaDelivery, Share

SOON = 5.0
"""Seconds within which what is under way is given back in these tests."""


class Held(Share):
    """A share that a member has just been given."""

    def __init__(self, *numbers: int, prefetch: int = 10) -> None:
        super().__init__(prefetch, lambda: None)
        self.asked = threading.Event()
        """Somebody waits for what is under way."""
        self.begin(numbers)

    def come(self, number: int, *offsets: int) -> None:
        for offset in offsets:
            self.take(number, offset, WireMessage(topic="t", partition=number, offset=offset))

    def out(self) -> KafkaDelivery:
        delivery = self.next()
        assert delivery is not None
        return delivery

    async def leaves(self, number: int) -> asyncio.Task[None]:
        """Another member gets a partition; returns when nothing of it is handed out any more."""
        giving = asyncio.create_task(asyncio.to_thread(self.give_up, [number], SOON))
        while not self._held[number].leaving:
            await asyncio.sleep(0)
        return giving


async def test_what_is_under_way_is_waited_for_before_a_partition_leaves() -> None:
    share = Held(0, 1)
    share.come(0, 3, 4)
    share.come(1, 8)
    delivery = share.out()
    giving = await share.leaves(0)
    assert not (await asyncio.wait([giving], timeout=0.1))[0]
    # Nothing more of the one that leaves, and the other stays as it was.
    await share.out().ack()
    assert share.next() is None
    await delivery.ack()
    await giving
    assert share.places() == {0: 4, 1: 9}
    share.come(0, 4)
    assert share.next() is None


async def test_what_does_not_end_in_time_is_not_waited_for_any_longer() -> None:
    share = Held(0)
    share.come(0, 3)
    delivery = share.out()
    await asyncio.to_thread(share.give_up, [0], 0.01)
    await delivery.ack()
    assert share.places() == {}


async def test_who_leaves_waits_for_nobody() -> None:
    share = Held(0)
    share.come(0, 3)
    delivery = share.out()
    giving = await share.leaves(0)
    share.leave()
    await giving
    await delivery.ack()
    assert share.places() == {}


async def test_one_of_a_former_assignment_says_nothing_about_the_next() -> None:
    share = Held(0)
    share.come(0, 3, 4)
    former = [share.out(), share.out()]
    share.lose([0])
    share.begin([0])
    share.come(0, 3, 4)
    await former[0].ack()
    await former[1].release()
    assert share.places() == {}
    again = share.out()
    await again.ack()
    assert share.places() == {0: 4}
    await share.out().ack()
    assert share.places() == {0: 5}
    assert share.next() is None


async def test_the_place_of_a_partition_that_was_lost_is_not_committed() -> None:
    share = Held(0, 1)
    share.come(0, 3)
    share.come(1, 8)
    for _ in range(2):
        await share.out().ack()
    share.lose([0])
    assert share.places() == {1: 9}


async def test_partitions_take_turns_and_no_more_than_the_prefetch_goes_out() -> None:
    share = Held(0, 1, prefetch=3)
    share.come(0, 0, 1, 2)
    share.come(1, 7)
    assert share.room() == -1
    first, second, third = share.out(), share.out(), share.out()
    assert share.next() is None
    await second.ack()
    await third.ack()
    assert share.places() == {1: 8}
    await first.release()
    # In its place, before what has not gone out.
    await share.out().ack()
    assert share.places() == {0: 2}


async def test_a_delivery_ends_once() -> None:
    share = Held(0)
    share.come(0, 0, 1)
    first = share.out()
    await first.release()
    await first.ack()
    assert share.places() == {}
    await share.out().ack()
    await first.ack()
    assert share.places() == {0: 1}
