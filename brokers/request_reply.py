"""Request and reply over RabbitMQ: a question to a service, and its answer by direct reply-to.

For what is asked and used at once, such as a quote. Nothing is kept: a question that waits longer
than its asker is thrown away, and an answer that nobody waits for any more is lost.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from uuid import uuid4

from aio_pika import DeliveryMode
from aio_pika import Message as WireMessage
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from aio_pika.exceptions import DeliveryError

from brokers.envelope import CloudEvent, Message, UnreadableMessage
from brokers.rabbitmq.connecting import AWAY, connect, let_go, told_apart
from brokers.rabbitmq.wire import from_wire, to_wire
from runtime.errors import RuntimeProblem

log = logging.getLogger("request_reply")

REPLY_TO = "amq.rabbitmq.reply-to"
"""RabbitMQ's own name for "to the one who asks, on this AMQP channel"; no queue is made for it."""

TRIES_AGAIN_AFTER = 0.5
"""Seconds until a service that answers tries to connect again."""

Handler = Callable[[CloudEvent], Awaitable[CloudEvent]]


class NoAnswer(RuntimeProblem):
    """Nobody answers such questions, or not in time."""

    exit_code = 3


class Asker:
    """Asks services, any number of questions at once; connects with the first of them."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: AbstractConnection | None = None
        self._amqp: AbstractChannel | None = None
        self._connecting = asyncio.Lock()
        self._open: dict[str, asyncio.Future[CloudEvent]] = {}

    async def ask(self, service: str, question: CloudEvent, timeout: float = 5.0) -> CloudEvent:
        """The service's answer within `timeout` seconds; raises NoAnswer or BrokerUnreachable."""
        number = uuid4().hex
        answer: asyncio.Future[CloudEvent] = asyncio.get_running_loop().create_future()
        wire = to_wire(Message.structured(question))
        wire.correlation_id, wire.reply_to, wire.expiration = number, REPLY_TO, timeout
        wire.delivery_mode = DeliveryMode.NOT_PERSISTENT
        self._open[number] = answer
        try:
            async with told_apart(self._url):
                await self._send(wire, service)
            return await asyncio.wait_for(answer, timeout)
        except TimeoutError as error:
            raise NoAnswer(f"{service} has not answered {question.type} in {timeout} s") from error
        finally:
            del self._open[number]

    async def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection, self._amqp = self._connection, None, None
        await let_go(connection)

    async def _send(self, wire: WireMessage, service: str) -> None:
        amqp = await self._connected()
        try:
            # Mandatory, which is the default: it is refused when there is no such queue.
            await amqp.default_exchange.publish(wire, questions_of(service))
        except DeliveryError as error:
            raise NoAnswer(f"nobody is there to answer for {service}") from error
        except AWAY:
            await self.close()
            raise

    async def _connected(self) -> AbstractChannel:
        async with self._connecting:
            if self._amqp is None or self._amqp.is_closed:
                await self.close()
                self._connection = await connect(self._url)
                self._amqp = await self._connection.channel(on_return_raises=True)
                replies = await self._amqp.get_queue(REPLY_TO, ensure=False)
                await replies.consume(self._take, no_ack=True)
            return self._amqp

    async def _take(self, incoming: AbstractIncomingMessage) -> None:
        answer = self._open.get(incoming.correlation_id or "")
        if answer is None or answer.done():
            return
        try:
            answer.set_result(from_wire(incoming).event())
        except UnreadableMessage as error:
            answer.set_exception(NoAnswer(f"not an answer: {error}"))


async def answer(url: str, service: str, handler: Handler) -> None:
    """Answer the service's questions, one after the other, until cancelled.

    Several can, and share them. What the handler raises ends this one; another gets the question.
    """
    while True:
        try:
            async with await connect(url) as connection, connection.channel() as amqp:
                await amqp.set_qos(prefetch_count=1)
                queue = await amqp.declare_queue(questions_of(service), auto_delete=True)
                async with queue.iterator() as questions:
                    async for question in questions:
                        await _reply(amqp, question, handler)
        except _HandlerFailed as failed:
            raise failed.error from None
        except AWAY as error:
            log.warning("RabbitMQ is away, trying again: %s", error)
        await asyncio.sleep(TRIES_AGAIN_AFTER)


class _HandlerFailed(Exception):
    """Tells what a handler raises from what the client does."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


async def _reply(
    amqp: AbstractChannel, question: AbstractIncomingMessage, handler: Handler
) -> None:
    try:
        event = from_wire(question).event()
    except UnreadableMessage as error:
        log.warning("not a question: %s", error)
        await question.reject()
        return
    try:
        answered = await handler(event)
    except Exception as error:
        raise _HandlerFailed(error) from error
    reply = to_wire(Message.structured(answered))
    reply.correlation_id = question.correlation_id
    reply.delivery_mode = DeliveryMode.NOT_PERSISTENT
    # The asker may be gone: nothing is returned for that, and nobody waits.
    await amqp.default_exchange.publish(reply, question.reply_to or "", mandatory=False)
    await question.ack()


def questions_of(service: str) -> str:
    """The queue of a service's questions; gone when nobody answers any more."""
    return f"{service}.questions"
