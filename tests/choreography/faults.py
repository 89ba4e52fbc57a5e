"""Faults that are made to happen to both ways of doing an order, at every step and undo."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import cycle

from brokers.envelope import Message
from brokers.memory import MemoryBroker
from brokers.port import BrokerUnreachable, Channel, Delivery, Subscription
from services.database import Database
from tests.choreography.twin import Twin
from tests.integration.shops import ENDPOINTS, Shops


class Stutter(MemoryBroker):
    """Brings everything twice."""

    async def publish(
        self, channel: Channel, messages: Sequence[Message], *, again: bool = False
    ) -> None:
        """Publish each message and a copy of it."""
        twice = [copy for message in messages for copy in (message, replace(message))]
        await super().publish(channel, twice, again=again)


class Unheard(MemoryBroker):
    """Loses its first answer to each message that is published, and each first acknowledgement."""

    def __init__(self) -> None:
        super().__init__()
        self._confirmed: set[str] = set()
        self._acknowledged: set[tuple[str, str]] = set()

    async def publish(
        self, channel: Channel, messages: Sequence[Message], *, again: bool = False
    ) -> None:
        """Keep the messages, and say so the second time."""
        await super().publish(channel, messages, again=again)
        if not self._confirmed.issuperset(it.id for it in messages):
            self._confirmed.update(it.id for it in messages)
            raise BrokerUnreachable("the confirmation was lost")

    @asynccontextmanager
    async def subscribe(self, subscription: Subscription) -> AsyncIterator[AsyncIterator[Delivery]]:
        """Deliveries of which the first of each message is not taken for acknowledged."""

        async def unheard(deliveries: AsyncIterator[Delivery]) -> AsyncIterator[Delivery]:
            async for it in deliveries:
                known = (subscription.group, it.message.id)
                yield it if known in self._acknowledged else _Unheard(it)
                self._acknowledged.add(known)

        async with super().subscribe(subscription) as deliveries:
            yield unheard(deliveries)


@dataclass(frozen=True)
class _Unheard:
    _delivery: Delivery

    @property
    def message(self) -> Message:
        return self._delivery.message

    async def ack(self) -> None:
        await self._delivery.release()

    async def release(self) -> None:
        await self._delivery.release()


class Away(MemoryBroker):
    """Takes nothing every other time."""

    def __init__(self) -> None:
        super().__init__()
        self._away = cycle([True, False])

    async def publish(
        self, channel: Channel, messages: Sequence[Message], *, again: bool = False
    ) -> None:
        """Publish, or not."""
        if next(self._away):
            raise BrokerUnreachable("away")
        await super().publish(channel, messages, again=again)


@dataclass(frozen=True)
class Fault:
    """One kind of fault, as it comes over HTTP and as it comes by messages."""

    rule: Mapping[str, float] = field(default_factory=dict)
    """Of each endpoint that the saga calls; see `services.faults.FaultRule`."""
    broker: type[MemoryBroker] = MemoryBroker
    databases_away: bool = False
    """Whether every other commit of each participant fails, its relay's among them."""

    async def orchestrated(self, shops: Shops) -> None:
        """Switch it on between the saga and its participants."""
        if self.rule:
            for step in ENDPOINTS:
                await shops.fault(step, **self.rule)

    def choreographed(self, twin: Twin) -> None:
        """Switch it on between the participants and their databases; the broker has it already."""
        if self.databases_away:
            for database in twin.house.databases.values():
                _fails_every_other_time(database)


FAULTS = {
    "none": Fault(),
    "outages": Fault({"outage_seconds": 0.5, "error_rate": 0.25}, Away, databases_away=True),
    # Each step and each undo is called for two of the orders at least, or for the one that is done.
    "lost-answers": Fault({"drop_after_commit": 2}, Unheard),
    # Over HTTP nothing is called twice but after a lost answer.
    "duplicates": Fault(broker=Stutter),
}


def _fails_every_other_time(database: Database) -> None:
    away = cycle([True, False])

    async def fail() -> None:
        if next(away):
            raise OSError("the database is away")

    database.before_commit = fail
