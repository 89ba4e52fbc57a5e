"""A consumer as a member of its group: takes its share of the partitions and gives up the rest.

RabbitMQ gives a partition to one consumer at a time (`x-single-active-consumer`), and with it all
messages of a key. Left alone, it would give all partitions to the first consumer: so a member
consumes no more than its share, and claims each partition by an exclusive queue, of which there
can be one. How many members there are is what the broker says of the group's `members` queue. One
that has more than its share hands out nothing more of a partition, waits for what is under way, and
closes the partition's AMQP channel: with that the broker puts back what was not handed out, in
order. A consumer that crashes loses its connection and with that its claims.
"""

import asyncio
import logging
import math
import random
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress

from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from aiormq.exceptions import (
    AMQPConnectionError,
    ChannelLockedResource,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
)

from brokers.port import Delivery, Subscription
from brokers.rabbitmq.connecting import AWAY
from brokers.rabbitmq.layout import claim_of, earlier_of, members_of, queue_of
from brokers.rabbitmq.lookup import look_up, looked_up
from brokers.rabbitmq.partition import Partition
from brokers.rabbitmq.topology import Topology

log = logging.getLogger("rabbitmq")

LOOKS_EVERY = 0.5
"""Seconds between two looks at how many members share the partitions."""

TRIES_AGAIN_AFTER = 0.5
"""Seconds until the next try to connect."""


class Member:
    """One consumer of a group."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[AbstractConnection]],
        topology: Topology,
        subscription: Subscription,
    ) -> None:
        self.subscription = subscription
        self._connect = connect
        self._topology = topology
        self._held: dict[int, Partition] = {}
        self._turns: deque[Partition] = deque()
        self._caught_up: set[int] = set()
        """Partitions that have no queue of earlier messages, or have none any more."""
        self.came = asyncio.Event()
        self._look = asyncio.Event()
        self._left = asyncio.Event()

    @property
    def unacknowledged(self) -> int:
        """How many messages the broker has given to this member and still counts as its."""
        return sum(len(it.pending) + it.under_way for it in self._held.values())

    def leave(self) -> None:
        """End `take_part`; what is not acknowledged by then comes again."""
        self._left.set()
        self._look.set()

    async def take_part(self) -> None:
        """Connect and share the messages; the broker may come and go."""
        away = False
        while not self._left.is_set():
            try:
                async with await self._connect() as connection:
                    await self._topology.make(
                        connection, self.subscription.channel, self.subscription.group
                    )
                    away = False
                    await self._share(connection)
            except ChannelPreconditionFailed:
                raise
            except AWAY as error:
                log.log(logging.DEBUG if away else logging.WARNING, "RabbitMQ is away: %r", error)
                away = True
            finally:
                for partition in self._turns:
                    partition.ended = True
                self._held.clear()
                self._turns.clear()
            await _set_within(self._left, TRIES_AGAIN_AFTER)

    def next(self) -> Delivery | None:
        """Of each partition in turn."""
        if sum(it.under_way for it in self._held.values()) >= self.subscription.prefetch:
            return None
        for _ in range(len(self._turns)):
            partition = self._turns[0]
            self._turns.rotate(-1)
            if delivery := partition.hand_out():
                return delivery
        return None

    async def _share(self, connection: AbstractConnection) -> None:
        async with connection.channel() as amqp:
            members = members_of(self.subscription.channel.name, self.subscription.group)
            queue = await amqp.get_queue(members, ensure=False)
            await queue.consume(_ignore, no_ack=True)
            ended = asyncio.ensure_future(connection.closed())
            ended.add_done_callback(lambda _: self._look.set())
            while not ended.done():
                self._look.clear()
                if self._left.is_set():
                    return
                count = (await look_up(amqp, members)).consumer_count or 1
                await self._adjust(connection, amqp, math.ceil(self._partitions / count))
                pause = random.uniform(0.8, 1.2) * LOOKS_EVERY  # noqa: S311  no secret
                await _set_within(self._look, pause)
            raise AMQPConnectionError("the connection has ended")

    @property
    def _partitions(self) -> int:
        return self._topology.layout.partitions

    async def _adjust(
        self, connection: AbstractConnection, amqp: AbstractChannel, share: int
    ) -> None:
        for place, partition in enumerate(self._held.values()):
            partition.leaving = place >= share
        for partition in list(self._held.values()):
            if partition.to_give_up:
                await self._give_up(amqp, partition)
        # Those who look at the same time shall not all try the same.
        for number in random.sample(range(self._partitions), self._partitions):
            if len(self._held) < share and number not in self._held:
                await self._claim(connection, amqp, number)
        self.came.set()

    async def _give_up(self, amqp: AbstractChannel, partition: Partition) -> None:
        if partition.over and not partition.amqp.is_closed:
            await partition.queue.cancel(partition.tag)
            await partition.queue.delete(if_unused=False, if_empty=False)
            self._caught_up.add(partition.number)
        partition.ended = True
        self._turns.remove(partition)
        del self._held[partition.number]
        await partition.amqp.close()
        names = (self.subscription.channel.name, self.subscription.group, partition.number)
        await amqp.queue_delete(claim_of(*names))

    async def _claim(
        self, connection: AbstractConnection, amqp: AbstractChannel, number: int
    ) -> None:
        names = (self.subscription.channel.name, self.subscription.group, number)
        queue = queue_of(*names)
        found = None
        if number not in self._caught_up:
            found = await looked_up(connection, earlier_of(*names))
            if found is None:
                self._caught_up.add(number)
            else:
                queue = earlier_of(*names)
        if (found or await look_up(amqp, queue)).consumer_count:
            return
        consuming = await connection.channel(publisher_confirms=False)
        try:
            _ = await consuming.declare_queue(claim_of(*names), exclusive=True)
            consumed = await consuming.get_queue(queue, ensure=False)
            partition = Partition(number, consuming, consumed, self._changed)
            await partition.consume(self.subscription.prefetch)
        except (ChannelLockedResource, ChannelNotFoundEntity):
            return  # Somebody else was faster, and may have read it to its end.
        self._held[number] = partition
        self._turns.append(partition)

    def _changed(self) -> None:
        self.came.set()
        if any(it.to_give_up for it in self._turns):
            self._look.set()


async def _ignore(_: AbstractIncomingMessage) -> None:
    """The queue of the members holds nothing."""


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
