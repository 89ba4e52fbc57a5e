"""A partition as long as a member consumes it, and the deliveries that come of it."""

import logging
from bisect import insort
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue
from pamqp.commands import Basic

from brokers.envelope import Message
from brokers.rabbitmq.connecting import AWAY
from brokers.rabbitmq.stream import END
from brokers.rabbitmq.wire import from_wire

log = logging.getLogger("rabbitmq")


@dataclass(eq=False)
class Partition:
    """A queue that this member consumes, by an AMQP channel of its own."""

    number: int
    amqp: AbstractChannel
    queue: AbstractQueue
    changed: Callable[[], None]
    """Called when something came, was settled or ended."""
    tag: str = ""
    """The consumer's."""
    pending: deque[AbstractIncomingMessage] = field(default_factory=deque)
    """What has come and was not handed out, in order."""
    under_way: int = 0
    leaving: bool = False
    """Nothing more of it is handed out."""
    ended: bool = False
    """By the broker, or with the connection: what was under way comes again."""
    read: bool = False
    """Its end has come: the queue is one of earlier messages, and there are no more."""

    @property
    def over(self) -> bool:
        """Everything in it is acknowledged but what marks the end."""
        return self.read and not self.pending and not self.under_way

    @property
    def to_give_up(self) -> bool:
        """There is nothing more to do for this member."""
        return self.ended or self.amqp.is_closed or self.over or self.idle

    @property
    def idle(self) -> bool:
        """It is to be left, and nothing is under way."""
        return self.leaving and not self.under_way

    async def consume(self, prefetch: int) -> None:
        """Begin; raises ChannelNotFoundEntity."""
        # All that may be under way can be of one partition; so this is what each may have here.
        await self.amqp.set_qos(prefetch)
        underlay = await self.amqp.get_underlay_channel()
        underlay.on_consumer_cancel_callbacks.add(self._taken_away)
        self.tag = await self.queue.consume(self._take)

    def hand_out(self) -> "RabbitDelivery | None":
        """The next delivery, if there is one to be had."""
        if self.leaving or not self.pending:
            return None
        self.under_way += 1
        return RabbitDelivery(self, self.pending.popleft())

    async def settle(self, incoming: AbstractIncomingMessage, *, done: bool) -> None:
        """A delivery has ended; one of an earlier connection has come again already."""
        if self.ended:
            return
        if done:
            try:
                await incoming.ack()
            except AWAY as error:
                log.info("not acknowledged, so it comes again: %r", error)
        else:
            # It is still with this member and goes out again from here: what the broker would
            # send anew would come after what it has sent already.
            insort(self.pending, incoming, key=_place)
        self.under_way -= 1
        self.changed()

    async def _take(self, incoming: AbstractIncomingMessage) -> None:
        if incoming.type == END:
            self.read = True
        else:
            self.pending.append(incoming)
        self.changed()

    async def _taken_away(self, _: Basic.Cancel) -> None:
        # The queue was deleted, or the node that has it has stopped.
        self.ended = True
        self.changed()


@dataclass(eq=False)
class RabbitDelivery:
    """A message that this member was given."""

    _partition: Partition
    _incoming: AbstractIncomingMessage
    _settled: bool = False

    @cached_property
    def message(self) -> Message:
        """What was published."""
        return from_wire(self._incoming)

    async def ack(self) -> None:
        """It is done with."""
        await self._settle(done=True)

    async def release(self) -> None:
        """It comes again, first of its partition."""
        await self._settle(done=False)

    async def _settle(self, *, done: bool) -> None:
        if not self._settled:
            self._settled = True
            await self._partition.settle(self._incoming, done=done)


def _place(incoming: AbstractIncomingMessage) -> int:
    return incoming.delivery_tag or 0
