"""A consumer of a group's queue.

SQS gives out no more of a key while some of it is under way: so one consumer at a time has a key,
with at most the ten messages that came together. What is held is extended until it is settled; of a
consumer that crashes, it comes again when that ends.
"""

import asyncio
import logging
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from botocore.exceptions import ParamValidationError

from brokers.envelope import Message
from brokers.port import Delivery, Subscription
from brokers.sns_sqs.connecting import AWAY, MISSING, NO_CREDENTIALS, Clients, code_of
from brokers.sns_sqs.layout import Layout
from brokers.sns_sqs.leases import BATCH, Lease, Leases
from brokers.sns_sqs.topology import Topology
from brokers.sns_sqs.wire import from_wire

if TYPE_CHECKING:
    from types_aiobotocore_sqs.type_defs import MessageTypeDef

log = logging.getLogger("sns_sqs")

TRIES_AGAIN_AFTER = 0.5
"""Seconds until the next try when nobody answers."""

ASKS_AGAIN_AFTER = 0.1
"""Seconds until the queue is asked again where it had nothing."""

LEAVES_WITHIN = 1.0
"""Seconds that a consumer which ends waits for messages which may be on their way to it."""


class Member:
    """One consumer of a group."""

    def __init__(
        self, layout: Layout, clients: Clients, topology: Topology, subscription: Subscription
    ) -> None:
        self.subscription = subscription
        self._layout = layout
        self._clients = clients
        self._topology = topology
        self._leases = Leases(clients)
        self._held: dict[Lease, None] = {}
        """In the order in which they came."""
        self._pending: deque[Lease] = deque()
        self.came = asyncio.Event()
        self._room = asyncio.Event()
        self._left = asyncio.Event()
        self._attempt = uuid4().hex
        self._away = False

    def leave(self) -> None:
        """End `take_part`; what is not acknowledged by then comes again."""
        self._left.set()
        self._room.set()

    async def take_part(self) -> None:
        """Receive and extend; SQS may come and go. Raises one of NO_CREDENTIALS."""
        extending = asyncio.create_task(self._extend())
        try:
            while not self._left.is_set():
                if extending.done():
                    extending.result()
                await self._receive_or_wait()
        finally:
            extending.cancel()
            await asyncio.wait([extending])
            await self._leases.flush()
            await self._give_back(list(self._held))

    async def settle(self, lease: Lease, *, done: bool) -> None:
        """A delivery has ended; one that was lost comes again anyway."""
        if lease.over:
            return
        lease.over = True
        if done:
            try:
                await self._leases.delete(lease)
            finally:
                self._drop(lease)
        else:
            await self._give_back([lease, *self._later_than(lease)])

    def next(self) -> Delivery | None:
        """In the order in which they came; what was lost meanwhile comes again."""
        while self._pending:
            lease = self._pending.popleft()
            if lease.until > asyncio.get_running_loop().time():
                lease.handed_out = True
                return SqsDelivery(self, lease)
            self._lose(lease)
        return None

    async def _receive_or_wait(self) -> None:
        if len(self._held) >= self.subscription.prefetch:
            self._room.clear()
            await self._room.wait()
            return
        try:
            came = await self._receive()
            self._away = False
            if not came:
                await _set_within(self._left, ASKS_AGAIN_AFTER)
        except (ParamValidationError, *NO_CREDENTIALS):
            raise
        except AWAY as error:
            if code_of(error) in MISSING:
                self._topology.forget(self.subscription.channel)
            level = logging.DEBUG if self._away else logging.WARNING
            log.log(level, "SQS at %s is away: %r", self._layout.place, error)
            self._away = True
            await _set_within(self._left, TRIES_AGAIN_AFTER)

    async def _receive(self) -> bool:
        url = await self._topology.queue(self.subscription.channel, self.subscription.group)
        self._leases.url = url
        receiving = asyncio.create_task(self._ask(url, self._layout.wait))
        leaving = asyncio.create_task(self._left.wait())
        try:
            await asyncio.wait([receiving, leaving], return_when=asyncio.FIRST_COMPLETED)
            # What is lost on its way would keep its key waiting.
            await asyncio.wait([receiving], timeout=LEAVES_WITHIN)
            if not receiving.done():
                receiving.cancel()
                await asyncio.wait([receiving])
                receiving = asyncio.create_task(self._ask(url, 0))
            received, until = await receiving
        finally:
            receiving.cancel()
            leaving.cancel()
        self._attempt = uuid4().hex
        for it in received:
            group = it.get("Attributes", {}).get("MessageGroupId", "")
            lease = Lease(from_wire(it), group, it.get("ReceiptHandle", ""), until)
            self._held[lease] = None
            self._pending.append(lease)
        self.came.set()
        return bool(received)

    async def _ask(self, url: str, wait: int) -> "tuple[list[MessageTypeDef], float]":
        sqs = await self._clients.sqs()
        answer = await sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=min(BATCH, self.subscription.prefetch - len(self._held)),
            WaitTimeSeconds=wait,
            VisibilityTimeout=self._layout.visibility,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["MessageGroupId"],
            # With it, asking again gives the same messages if the answer was lost.
            ReceiveRequestAttemptId=self._attempt,
        )
        # The answer's way here is short beside that, and the first extension comes soon.
        until = asyncio.get_running_loop().time() + self._layout.visibility
        return answer.get("Messages", []), until

    async def _extend(self) -> None:
        while True:
            await asyncio.sleep(self._layout.visibility / 3)
            try:
                for lost in await self._leases.extend(list(self._held), self._layout.visibility):
                    self._lose(lost)
            except (ParamValidationError, *NO_CREDENTIALS):
                raise
            except AWAY as error:
                log.info("not extended, and tried again soon: %r", error)

    def _lose(self, lease: Lease) -> None:
        """It comes again, so later ones of its key must not go out before."""
        if lease.over:
            return
        for it in (lease, *self._later_than(lease)):
            it.over = True
            self._drop(it)

    def _later_than(self, lease: Lease) -> list[Lease]:
        """Those of its key that wait here; the ones under way are others' to settle."""
        same = [it for it in self._held if it.key == lease.key]
        return [it for it in same[same.index(lease) + 1 :] if not it.handed_out]

    async def _give_back(self, given: list[Lease]) -> None:
        for lease in given:
            self._drop(lease)
        await self._leases.give_back(given)

    def _drop(self, lease: Lease) -> None:
        self._held.pop(lease, None)
        with suppress(ValueError):
            self._pending.remove(lease)
        self._room.set()


@dataclass(eq=False)
class SqsDelivery:
    """A message that this member was given."""

    _member: Member
    _lease: Lease

    @property
    def message(self) -> Message:
        """What was published."""
        return self._lease.message

    async def ack(self) -> None:
        """It is done with: delete it."""
        await self._member.settle(self._lease, done=True)

    async def release(self) -> None:
        """It comes again, and with it what waits here of its key."""
        await self._member.settle(self._lease, done=False)


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
