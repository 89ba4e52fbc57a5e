"""RabbitMQ behind the port."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from aio_pika import Message as WireMessage
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractQueue

from brokers.envelope import Message
from brokers.membership import membership
from brokers.port import Channel, Delivery, Subscription
from brokers.rabbitmq.connecting import AWAY, connect, has_ended, let_go, told_apart
from brokers.rabbitmq.layout import Layout, earlier_of, letters_of, members_of, queue_of
from brokers.rabbitmq.lookup import locked, looked_up
from brokers.rabbitmq.member import Member
from brokers.rabbitmq.stream import read_log
from brokers.rabbitmq.topology import BATCH, Topology, send
from brokers.rabbitmq.wire import from_wire, to_wire

CONFIRM_WITHIN = 5.0
"""Seconds for the broker to confirm a batch."""

MADE_WITHIN = 60.0
"""Seconds to make a channel's queues; a group that begins late has the log copied in them."""

LEFT_WITHIN = 1.0
"""Seconds for a consumer to leave its group in order; a broker that hangs is not waited for."""

LONGEST_TYPE = 200
"""Bytes of an event's type in its route, which may have 255."""

Acknowledge = Callable[[], Awaitable[None]]


class RabbitBroker:
    """A RabbitMQ server or cluster, by one connection, and one more for each subscription."""

    def __init__(self, url: str) -> None:
        layout, self._url = Layout.of_url(url)
        self._topology = Topology(layout)
        self._connection: AbstractConnection | None = None
        self._amqp: AbstractChannel | None = None
        self._made: set[tuple[Channel, str | None]] = set()
        """Since this AMQP channel was opened."""
        self._opening = asyncio.Lock()
        self._browsing = asyncio.Lock()
        self._members: set[Member] = set()

    async def publish(
        self, channel: Channel, messages: Sequence[Message], *, again: bool = False
    ) -> None:
        """Publish in order and wait until RabbitMQ has stored everything.

        RabbitMQ knows no repetitions, so `again` changes nothing.
        """
        async with self._problems():
            amqp = await self._ready(channel)
            exchange = await amqp.get_exchange(channel.name, ensure=False)
            for start in range(0, len(messages), BATCH):
                batch = [self._addressed(it) for it in messages[start : start + BATCH]]
                async with asyncio.timeout(CONFIRM_WITHIN):
                    await send(exchange, batch)

    @asynccontextmanager
    async def subscribe(self, subscription: Subscription) -> AsyncIterator[AsyncIterator[Delivery]]:
        """Deliveries of the partitions that are this consumer's share."""
        member = Member(lambda: connect(self._url), self._topology, subscription)
        self._members.add(member)
        try:
            problems = told_apart(self._url)
            async with membership(member, problems, left_within=LEFT_WITHIN) as deliveries:
                yield deliveries
        finally:
            self._members.discard(member)

    async def log(self, channel: Channel) -> AsyncGenerator[Message]:
        """What the channel's stream holds, up to now."""
        async with self._problems():
            async for entry in read_log(await self._connected(), channel.name):
                yield from_wire(entry)

    async def waiting(self, channel: Channel, group: str) -> int:
        """How many messages wait in the group's queues or are with consumers of this object.

        RabbitMQ tells nobody over AMQP how many are with the consumers of others.
        """
        async with self._problems():
            connection = await self._connected()
            if await looked_up(connection, members_of(channel.name, group)) is None:
                return 0
            waiting = 0
            for partition in range(self._topology.layout.partitions):
                for name in (queue_of, earlier_of):
                    found = await looked_up(connection, name(channel.name, group, partition))
                    waiting += (found and found.message_count) or 0
            mine = (it for it in self._members if it.subscription.group == group)
            return waiting + sum(
                it.unacknowledged for it in mine if it.subscription.channel.name == channel.name
            )

    async def bury(self, channel: Channel, group: str, message: Message) -> None:
        """Publish to the channel's dead-letter exchange, which leads to the group's queue."""
        async with self._problems(), asyncio.timeout(CONFIRM_WITHIN):
            amqp = await self._ready(channel, group)
            exchange = await amqp.get_exchange(letters_of(channel.name), ensure=False)
            await exchange.publish(to_wire(message), group, mandatory=True)

    async def dead_letters(self, channel: Channel, group: str) -> list[Message]:
        """The group's dead letters; also those that RabbitMQ itself has put there."""
        letters: list[Message] = []
        async with self._problems(), self._letters(channel, group) as taken:
            async for letter, _ in taken:
                letters.append(letter)
        return letters

    async def remove_dead_letter(self, channel: Channel, group: str, letter_id: str) -> bool:
        """Acknowledge that one only."""
        async with self._problems(), self._letters(channel, group) as taken:
            async for letter, acknowledge in taken:
                if letter.id == letter_id:
                    await acknowledge()
                    return True
        return False

    async def close(self) -> None:
        """Close the connection."""
        await self._let_go()

    @asynccontextmanager
    async def _letters(
        self, channel: Channel, group: str
    ) -> AsyncIterator[AsyncIterator[tuple[Message, Acknowledge]]]:
        """The dead letters one by one; those not acknowledged are put back in their order."""
        _ = await self._ready(channel, group)
        connection = await self._connected()
        queue = letters_of(channel.name, group)
        # Whoever looks takes them out for a moment, and another would miss them.
        lock = locked(connection, f"{queue}.browsing")
        async with self._browsing, lock, connection.channel() as amqp:
            yield _taken(await amqp.get_queue(queue, ensure=False))

    def _addressed(self, message: Message) -> tuple[str, WireMessage]:
        wire = to_wire(message)
        partition = self._topology.layout.partition(message.key)
        led_by = (wire.type or "message").encode()[:LONGEST_TYPE].decode(errors="ignore")
        return f"{led_by}.{partition}", wire

    async def _connected(self) -> AbstractConnection:
        async with self._opening:
            if self._connection is None or has_ended(self._connection):
                await self._let_go()
                self._connection = await connect(self._url)
            return self._connection

    async def _ready(self, channel: Channel, group: str | None = None) -> AbstractChannel:
        """An AMQP channel to publish by, to what is there."""
        connection = await self._connected()
        async with self._opening:
            if self._amqp is None or self._amqp.is_closed:
                self._made.clear()
                self._amqp = await connection.channel(on_return_raises=True)
            if (channel, group) not in self._made:
                async with asyncio.timeout(MADE_WITHIN):
                    await self._topology.make(connection, channel, group)
                self._made.add((channel, group))
            return self._amqp

    @asynccontextmanager
    async def _problems(self) -> AsyncIterator[None]:
        async with told_apart(self._url):
            try:
                yield
            except AWAY:
                # A connection that was cut off does not always know: the next call gets another.
                await self._let_go()
                raise

    async def _let_go(self) -> None:
        connection, self._connection, self._amqp = self._connection, None, None
        await let_go(connection)


async def _taken(queue: AbstractQueue) -> AsyncIterator[tuple[Message, Acknowledge]]:
    while (letter := await queue.get(fail=False)) is not None:
        yield from_wire(letter), letter.ack
