"""Small questions to RabbitMQ, and a lock that it keeps."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import ChannelLockedResource, ChannelNotFoundEntity
from pamqp.commands import Queue


async def exists(connection: AbstractConnection, queue: str) -> bool:
    """Whether there is such a queue."""
    return await looked_up(connection, queue) is not None


async def looked_up(connection: AbstractConnection, queue: str) -> Queue.DeclareOk | None:
    """How many messages wait in a queue and how many consumers it has; None if there is none."""
    try:
        async with connection.channel() as amqp:
            return await look_up(amqp, queue)
    except ChannelNotFoundEntity as error:
        # The same code says that the queue's node is down, or that it is just starting.
        if "no queue" not in str(error):
            raise
        return None


async def look_up(amqp: AbstractChannel, queue: str) -> Queue.DeclareOk:
    """The same of one that is there; if it is not, that ends the AMQP channel."""
    underlay = await amqp.get_underlay_channel()
    return await underlay.queue_declare(queue, passive=True)


@asynccontextmanager
async def locked(connection: AbstractConnection, name: str) -> AsyncIterator[None]:
    """Only one connection at a time; it is given back when the connection ends."""
    while True:
        async with connection.channel() as amqp:
            try:
                lock = await amqp.declare_queue(name, exclusive=True)
            except ChannelLockedResource:
                await asyncio.sleep(0.05)
                continue
            try:
                yield
            finally:
                await lock.delete(if_unused=False, if_empty=False)
            return
