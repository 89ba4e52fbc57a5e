"""The same with aio-pika alone: its publisher confirms, its prefetch, its acks after the commit.

The exchange, the queues and the log are made as the adapter makes them, so that RabbitMQ has the
same to do. One queue's messages are handled one after the other, the queues side by side.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Self

import aio_pika
from aio_pika.abc import AbstractConnection, AbstractExchange, AbstractIncomingMessage

from benchmarks.event_load import (
    EVENT_TYPE,
    GROUP,
    LANES,
    PREFETCH,
    Books,
    OrderHappened,
    new_channel,
    take_in,
)
from brokers.envelope import CONTENT_TYPE, CloudEvent, Message
from brokers.rabbitmq.layout import Layout, queue_of
from brokers.rabbitmq.topology import Topology


class BareRabbitmq:
    """One connection, an AMQP channel to publish by and one to consume by."""

    def __init__(
        self, connection: AbstractConnection, channel: str, exchange: AbstractExchange
    ) -> None:
        self._connection = connection
        self._channel = channel
        self._exchange = exchange

    @classmethod
    @asynccontextmanager
    async def opened(cls, url: str) -> AsyncIterator[Self]:
        """On a RabbitMQ."""
        channel = new_channel("bare")
        async with await aio_pika.connect(url) as connection:
            await Topology(Layout(partitions=LANES)).make(connection, channel)
            amqp = await connection.channel()
            yield cls(connection, channel.name, await amqp.get_exchange(channel.name, ensure=False))

    def made(self, event: CloudEvent) -> Message:
        """In binary mode."""
        return Message.binary(event)

    async def publish(self, messages: Sequence[Message]) -> None:
        """All at once, and then the confirmations of all."""
        await asyncio.gather(
            *(
                self._exchange.publish(
                    aio_pika.Message(
                        body=it.body,
                        headers=dict(it.headers),
                        content_type=it.headers[CONTENT_TYPE],
                        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                        message_id=it.id,
                    ),
                    f"{EVENT_TYPE}.{zlib.crc32(it.key.encode()) % LANES}",
                    mandatory=False,
                )
                for it in messages
            )
        )

    @asynccontextmanager
    async def consuming(self, books: Books) -> AsyncIterator[None]:
        """One task a queue."""
        came: list[asyncio.Queue[AbstractIncomingMessage]] = []
        async with self._connection.channel(publisher_confirms=False) as amqp:
            await amqp.set_qos(PREFETCH)
            async with asyncio.TaskGroup() as group:
                working = []
                for number in range(LANES):
                    waiting: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
                    came.append(waiting)
                    working.append(group.create_task(_handle(waiting, books)))
                    name = queue_of(self._channel, GROUP, number)
                    queue = await amqp.get_queue(name, ensure=False)
                    await queue.consume(waiting.put)
                yield
                for waiting in came:
                    await waiting.join()
                for task in working:
                    task.cancel()


async def _handle(waiting: asyncio.Queue[AbstractIncomingMessage], books: Books) -> None:
    while True:
        message = await waiting.get()
        headers, data = message.headers, OrderHappened.model_validate_json(message.body)
        await take_in(books, str(headers["ce-id"]), str(headers["ce-type"]), data)
        await message.ack()
        waiting.task_done()
