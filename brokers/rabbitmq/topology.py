"""Exchanges and queues: what a channel and its groups are made of on RabbitMQ.

A channel is a topic exchange, its messages routed as `<type>.<partition>`, and a stream that keeps
them. A group has a queue for each partition. One that begins when the stream has messages already
has them copied into a second queue for each partition, which is read to its end first. Its own
queues are bound before that, so nothing is missed, and what comes in between comes twice.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing

from aio_pika import ExchangeType
from aio_pika import Message as WireMessage
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange
from aio_pika.abc import AbstractIncomingMessage as Incoming
from aiormq.exceptions import ChannelNotFoundEntity

from brokers.port import Channel
from brokers.rabbitmq.layout import Layout, earlier_of, letters_of, log_of, members_of, queue_of
from brokers.rabbitmq.lookup import exists, locked
from brokers.rabbitmq.stream import END, making_log, read_log
from brokers.rabbitmq.wire import from_wire, to_wire

BATCH = 256
"""How many messages are sent before their confirmations are waited for."""

OPENED_WITHIN = 5.0
"""Seconds that a queue which is there may be inaccessible."""

ROUTED_WITHIN = 0.2
"""Seconds in which a message that the broker routes by the bindings of before gets into the log."""


class Topology:
    """Makes what is not there; everything is durable, and making it twice changes nothing."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    async def make(
        self, connection: AbstractConnection, channel: Channel, group: str | None = None
    ) -> None:
        """The channel, with its groups and this one."""
        deadline = time.monotonic() + OPENED_WITHIN
        while True:
            try:
                return await self._make(connection, channel, group)
            except ChannelNotFoundEntity:
                # A broker takes connections before it has opened all that it has stored.
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(0.1)

    async def _make(
        self, connection: AbstractConnection, channel: Channel, group: str | None
    ) -> None:
        async with connection.channel() as amqp:
            exchange = await amqp.declare_exchange(channel.name, ExchangeType.TOPIC, durable=True)
            await amqp.declare_exchange(letters_of(channel.name), durable=True)
            # Of all that can be given to an exchange or queue, this holds the number for everyone.
            await amqp.declare_queue(
                f"{channel.name}.partitions",
                durable=True,
                arguments={"x-max-length": self.layout.partitions},
            )
            for name in dict.fromkeys((*channel.groups, *([group] if group else []))):
                await self._make_group(connection, amqp, exchange, name)
            # Last: as long as there is no log, there is nothing that a group could have missed.
            async with making_log(connection, channel.name):
                log = await amqp.declare_queue(
                    log_of(channel.name),
                    durable=True,
                    arguments={"x-queue-type": "stream", "x-max-age": self.layout.log_age},
                )
                await log.bind(exchange, "#")

    async def _make_group(
        self,
        connection: AbstractConnection,
        amqp: AbstractChannel,
        exchange: AbstractExchange,
        group: str,
    ) -> None:
        channel = exchange.name
        if await exists(connection, members_of(channel, group)):
            return
        async with locked(connection, f"{channel}.{group}.beginning"):
            if await exists(connection, members_of(channel, group)):
                return
            letters = await amqp.declare_queue(letters_of(channel, group), durable=True)
            await letters.bind(letters_of(channel), group)
            for partition in range(self.layout.partitions):
                await amqp.queue_delete(earlier_of(channel, group, partition))
                queue = await amqp.declare_queue(
                    queue_of(channel, group, partition),
                    durable=True,
                    arguments=self.layout.arguments(channel, group),
                )
                await queue.bind(exchange, f"#.{partition}")
            await self._copy_log(connection, amqp, channel, group)
            # Last: who finds it finds everything.
            await amqp.declare_queue(members_of(channel, group), durable=True)

    async def _copy_log(
        self, connection: AbstractConnection, amqp: AbstractChannel, channel: str, group: str
    ) -> None:
        if await exists(connection, log_of(channel)):
            await asyncio.sleep(ROUTED_WITHIN)
        made: set[int] = set()
        batch: list[tuple[str, WireMessage]] = []
        async with aclosing(read_log(connection, channel)) as entries:
            async for entry in entries:
                partition = self._partition_routed(entry)
                if partition is None:
                    continue
                name = earlier_of(channel, group, partition)
                if partition not in made:
                    made.add(partition)
                    await amqp.declare_queue(
                        name, durable=True, arguments={"x-single-active-consumer": True}
                    )
                batch.append((name, to_wire(from_wire(entry))))
                if len(batch) == BATCH:
                    await send(amqp.default_exchange, batch)
                    batch = []
        ends = [(earlier_of(channel, group, it), WireMessage(b"", type=END)) for it in made]
        await send(amqp.default_exchange, batch + ends)

    def _partition_routed(self, incoming: Incoming) -> int | None:
        partition = (incoming.routing_key or "").rpartition(".")[2]
        if not partition.isdecimal() or int(partition) >= self.layout.partitions:
            return None  # No group gets it.
        return int(partition)


async def send(exchange: AbstractExchange, messages: Sequence[tuple[str, WireMessage]]) -> None:
    """Publish in order, each by its routing key, and wait for the broker to confirm them all."""
    answers = await asyncio.gather(
        *(exchange.publish(message, key, mandatory=False) for key, message in messages),
        return_exceptions=True,
    )
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
