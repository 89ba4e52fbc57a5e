"""The consumer: handles each message of a subscription once, in order per key.

A message's effects and its row in the inbox are committed together, and only then is it
acknowledged. Killed at any moment, it comes again and does nothing, or everything.
"""

import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel
from sqlmodel.ext.asyncio.session import AsyncSession

from brokers.catalogue import Catalogue, SchemaRefused
from brokers.dead_letters import REPLAY_FOR, Failing, letter_for
from brokers.envelope import CloudEvent, Message
from brokers.failures import (
    ChainTooDeep,
    Kind,
    OutageLog,
    Unacceptable,
    Unavailable,
    first_line,
    kind_before_handling,
    kind_of,
)
from brokers.inbox import first_time
from brokers.port import Broker, BrokerUnreachable, Delivery, Subscription

__all__ = [
    "Consumer",
    "Data",
    "Handler",
    "Received",
    "Retries",
    "Transaction",
    "Unacceptable",
    "Unavailable",
]

log = logging.getLogger("consumer")

Data = TypeVar("Data", bound=BaseModel)


@dataclass(frozen=True)
class Received(Generic[Data]):
    """A message that is being handled, and the transaction that its effects go into."""

    event: CloudEvent
    data: Data
    transaction: AsyncSession | None = None

    @property
    def session(self) -> AsyncSession:
        """The transaction of a consumer that has an inbox.

        It holds the inbox's row already: what the handler writes is committed with it, or none is.
        """
        assert self.transaction is not None, "this consumer was given no transaction"
        return self.transaction


Handler = Callable[[Received[Any]], Awaitable[None]]
Transaction = Callable[[CloudEvent], AbstractAsyncContextManager[AsyncSession]]
"""Opens the transaction that an event is handled in; it commits at the end, or rolls back."""


@dataclass(frozen=True)
class Retries:
    """How often a handler that fails is tried, with pauses that double, up to `longest` seconds.

    Only bugs are counted: what is away is waited for, with the same pauses.
    """

    tries: int = 5
    first: float = 0.2
    longest: float = 10.0

    def pause(self, tried: int) -> float:
        """Seconds before the next try: half of it certain, half by chance."""
        # An outage has no end by count, and floats have.
        full = min(self.first * 2.0 ** min(tried - 1, 64), self.longest)
        return full * random.uniform(0.5, 1.0)  # noqa: S311  no secret


class Consumer:
    """Handles the messages of one subscription: those of a key one by one, keys side by side.

    While a key's message waits for its next try, what came behind it waits, too; other keys go on,
    as long as the subscription's `prefetch` has room for them.
    """

    def __init__(
        self,
        broker: Broker,
        subscription: Subscription,
        catalogue: Catalogue,
        handlers: Mapping[type[BaseModel], Handler],
        transaction: Transaction | None,
        *,
        retries: Retries = Retries(),
        lanes: int = 8,
        deepest_chain: int = 16,
        count_letter: Callable[[str, str], None] | None = None,
    ) -> None:
        """One without a transaction has no inbox: its handlers may be called twice for a message.

        `lanes`: how many messages are handled at once, so how many transactions are open.
        `count_letter`: told the channel and the group of each dead letter, for a metric.
        """
        self._broker = broker
        self._subscription = subscription
        self._catalogue = catalogue
        self._handlers = {catalogue.type_of(model).name: it for model, it in handlers.items()}
        self._transaction = transaction
        self._retries = retries
        self._lanes = lanes
        self._deepest_chain = deepest_chain
        self._count_letter = count_letter
        self._name = f"{subscription.group} on {subscription.channel.name}"
        self._outage = OutageLog(self._name)
        here = [it for it in catalogue if it.channel.name == subscription.channel.name]
        self._commands_only = all(it.kind == "command" for it in here)
        self._anothers = {it.name for it in here if subscription.group not in it.receivers}
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Begin no message more; `run` returns when those that have a handler are acknowledged."""
        self._stopping.set()

    async def run(self) -> None:
        """Handle messages until `stop`, or cancelled; what is not acknowledged then comes again.

        Raises:
            RuntimeProblem: the subscription cannot be made.
            ExceptionGroup: of what the broker's adapter raises later on.
        """
        room = asyncio.Semaphore(self._subscription.prefetch)
        lane = asyncio.Semaphore(self._lanes)
        keys: dict[str, deque[Delivery]] = {}

        async def follow(key: str) -> None:
            behind = keys[key]
            while behind:
                await self._settle(behind[0], lane)
                behind.popleft()
                room.release()
            del keys[key]

        async def take(deliveries: AsyncIterator[Delivery], group: asyncio.TaskGroup) -> None:
            async for delivery in deliveries:
                await room.acquire()
                key = delivery.message.key
                if key in keys:
                    keys[key].append(delivery)
                else:
                    keys[key] = deque([delivery])
                    group.create_task(follow(key))

        # In this order: nothing is under way any more when the broker gives it to someone else.
        async with (
            self._broker.subscribe(self._subscription) as deliveries,
            asyncio.TaskGroup() as group,
        ):
            stopped = group.create_task(self._stopping.wait())
            taking = group.create_task(take(deliveries, group))
            await asyncio.wait({stopped, taking}, return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            taking.cancel()

    async def _settle(self, delivery: Delivery, lane: asyncio.Semaphore) -> None:
        """Handle a message, or bury it, and acknowledge it; neither once it is to stop."""
        message = delivery.message
        failing: Failing | None = None
        outages = bugs = 0
        while True:
            try:
                async with lane:
                    if self._stopping.is_set():
                        return
                    await self._handle(message)
                self._outage.goes_on(message)
                break
            except Exception as error:  # noqa: BLE001  whatever a handler may raise
                failing = Failing.again(failing, error)
                match kind_of(error):
                    case Kind.OUTAGE:
                        outages += 1
                        self._outage.waits(message, error)
                        pause = self._retries.pause(outages)
                    case Kind.BUG if bugs + 1 < self._retries.tries:
                        bugs += 1
                        self._say_failed(message, error, bugs)
                        pause = self._retries.pause(bugs)
                    case kind:
                        if not await self._bury(message, failing, kind):
                            return
                        break
            await self._wait(pause)
        await self._acknowledge(delivery)

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _handle(self, message: Message) -> None:
        group = self._subscription.group
        if message.headers.get(REPLAY_FOR, group) != group:
            return
        event = message.event()
        handler = self._handlers.get(event.type)
        if handler is None:
            if self._commands_only and event.type not in self._anothers:
                raise SchemaRefused(f"nobody here handles the command {event.type}")
            return
        if event.chaindepth > self._deepest_chain:
            deep, most = event.chaindepth, self._deepest_chain
            raise ChainTooDeep(f"{deep} messages led to this one, and {most} may: is it a loop?")
        data = self._catalogue.decode(event)
        handling = False
        try:
            if self._transaction is None:
                handling = True
                await handler(Received(event, data))
                return
            async with self._transaction(event) as session:
                new = await first_time(session, group, event.id, event.type)
                handling = True
                if new:
                    await handler(Received(event, data, session))
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody wants this lane to end, and what is behind it would wait for ever.
            raise RuntimeError("the handler was cancelled by something it awaits") from error
        except Exception as error:
            if not handling and kind_before_handling(error) is Kind.OUTAGE:
                raise Unavailable(f"{type(error).__name__}: {first_line(error)}") from error
            raise

    async def _bury(self, message: Message, failing: Failing, kind: Kind) -> bool:
        """Whether the letter is with the broker; not if it is to stop before the broker is back."""
        channel, group = self._subscription.channel, self._subscription.group
        letter = letter_for(channel, group, message, failing)
        tried = 0
        while True:
            try:
                await self._broker.bury(channel, group, letter)
                break
            except BrokerUnreachable as error:
                tried += 1
                self._outage.waits(message, error)
            await self._wait(self._retries.pause(tried))
            if self._stopping.is_set():
                return False
        self._outage.goes_on(message)
        if self._count_letter is not None:
            self._count_letter(channel.name, group)
        log.error(
            "%s: message %s is dead letter %s after %d tries: %s: %s",
            *(self._name, message.id, letter.id, failing.tries),
            *(letter.headers["dead-letter-error"], letter.headers["dead-letter-text"]),
            exc_info=failing.error if kind is Kind.BUG else None,
        )
        return True

    async def _acknowledge(self, delivery: Delivery) -> None:
        # If the broker is away, the message comes again, and the inbox knows it.
        with contextlib.suppress(BrokerUnreachable):
            await delivery.ack()

    def _say_failed(self, message: Message, error: Exception, tried: int) -> None:
        of, failed = self._retries.tries, f"{type(error).__name__}: {first_line(error)}"
        text = "%s: message %s failed, try %d of %d: %s"
        log.warning(text, self._name, message.id, tried, of, failed)
