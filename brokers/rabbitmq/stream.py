"""The log of a channel: a stream, which RabbitMQ lets everyone read and nobody consume."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from uuid import uuid4

from aio_pika import Message as WireMessage
from aio_pika.abc import AbstractConnection
from aio_pika.abc import AbstractIncomingMessage as Incoming
from aiormq.exceptions import AMQPConnectionError

from brokers.rabbitmq.layout import log_of
from brokers.rabbitmq.lookup import exists, locked

END = "end"
"""The property `type` of what marks an end, in a log for its reader or in a group's copy of it."""

BUFFERED = 256
"""How many messages come before the first of them is read."""


def making_log(connection: AbstractConnection, channel: str) -> AbstractAsyncContextManager[None]:
    """To be held by who makes the log, one at a time.

    RabbitMQ shows a stream before it can take anything for it, most of all a node's first one, and
    whoever publishes to it then loses the connection.
    """
    return locked(connection, f"{log_of(channel)}.making")


async def read_log(connection: AbstractConnection, channel: str) -> AsyncGenerator[Incoming]:
    """What the log holds, oldest first, up to now; nothing if there is none."""
    name = log_of(channel)
    if not await exists(connection, name):
        return
    async with making_log(connection, channel):
        pass  # If somebody is about to, it is there now.
    async with connection.channel() as amqp:
        # A stream tells nobody where it ends, so the reader writes where it shall stop.
        stop = uuid4().hex
        await amqp.default_exchange.publish(WireMessage(b"", type=END, message_id=stop), name)
        await amqp.set_qos(prefetch_count=BUFFERED)
        # Its own queue and not the client's iterator, which gives back what came after the stop:
        # RabbitMQ ends the connection for that, since nothing is taken out of a stream.
        entries: asyncio.Queue[Incoming | None] = asyncio.Queue()

        async def ended() -> None:
            _ = await amqp.closed()
            entries.put_nowait(None)

        closing = asyncio.create_task(ended())
        try:
            queue = await amqp.get_queue(name, ensure=False)
            await queue.consume(entries.put, arguments={"x-stream-offset": "first"})
            while (entry := await entries.get()) is not None:
                if entry.type != END:
                    yield entry
                elif entry.message_id == stop:
                    return
                await entry.ack()
        finally:
            closing.cancel()
        raise AMQPConnectionError("the connection ended while a log was read")
