"""Connections, and which of the client's errors mean that the broker is away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from aio_pika import Connection
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.connection import make_url
from aio_pika.exceptions import AMQPError, ChannelPreconditionFailed

from brokers.port import BrokerUnreachable
from runtime.errors import SettingsError

CONNECT_WITHIN = 5.0
"""Seconds."""

LET_GO_WITHIN = 1.0
"""Seconds to close a connection in order; a broker that hangs is not waited for."""

AWAY = (AMQPError, OSError, RuntimeError)
"""What the client raises when the broker is away or goes away; TimeoutError is an OSError.

RuntimeError is what it raises for a connection or AMQP channel that has ended.
"""


class _Connection(Connection):
    """One whose AMQP channels have the numbers in turn.

    The client alone takes a number again at once. When RabbitMQ has closed a channel, which is its
    answer to whoever asks for a queue that is not there, it sometimes is not yet done with it then:
    "second 'channel.open' seen", and the whole connection is gone.
    """

    _last = 0
    """The number of the channel that was opened last."""

    def channel(
        self,
        channel_number: int | None = None,
        publisher_confirms: bool = True,
        on_return_raises: bool = False,
    ) -> AbstractChannel:
        if channel_number is None and self.transport is not None:
            client = self.transport.connection
            # 0 is for no limit of the broker's.
            limit = client.connection_tune.channel_max or 65535
            turn = (number % limit + 1 for number in range(self._last, self._last + limit))
            self._last = next((it for it in turn if it not in client.channels), 0)
            if not self._last:
                raise RuntimeError(f"all {limit} channels of a connection are open")
            channel_number = self._last
        return super().channel(channel_number, publisher_confirms, on_return_raises)


async def connect(url: str) -> AbstractConnection:
    """A connection that does not come back by itself; raises one of AWAY."""
    # The robust kind restores an exclusive consumer again and again when somebody else has it.
    connection = _Connection(make_url(url))
    try:
        await connection.connect(timeout=CONNECT_WITHIN)
    except BaseException:
        # One that is dropped open starts a task to close itself, wherever it is collected.
        await connection.close()
        raise
    return connection


async def let_go(connection: AbstractConnection | None) -> None:
    """Close a connection that is of no more use, also where nobody answers."""
    if connection is None:
        return
    with suppress(*AWAY):
        await asyncio.wait_for(connection.close(), LET_GO_WITHIN)
    # Where that was in vain it has no transport now, and is closed for certain.
    await connection.close()


def has_ended(connection: AbstractConnection) -> bool:
    """Whether the connection is of no more use."""
    transport = connection.transport
    # aio-pika does not notice when its transport was reset.
    return connection.is_closed or transport is None or transport.connection.is_closed


@asynccontextmanager
async def told_apart(url: str) -> AsyncIterator[None]:
    """Raises BrokerUnreachable for what AWAY says, SettingsError where settings do not fit."""
    try:
        yield
    except ChannelPreconditionFailed as error:
        raise SettingsError(f"EVENT_BROKER_URL: RabbitMQ has it otherwise: {error}") from error
    except AWAY as error:
        reason = "no answer" if isinstance(error, TimeoutError) else str(error)
        address = urlsplit(url).netloc.rpartition("@")[2]
        raise BrokerUnreachable(f"RabbitMQ at {address}: {reason}") from error
