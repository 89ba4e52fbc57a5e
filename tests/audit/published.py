"""Orders whose events a memory broker and an inbox have, until a test takes something away."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession
from typing_extensions import override

from audit.event_findings import EventAudit
from audit.event_plane import Plane, Scope, audit_events, made, publish_again
from audit.inboxes import Inboxes
from audit.logs import Logs
from audit.saga_log import SagaLog
from brokers.envelope import CloudEvent, Message
from brokers.inbox import ProcessedEvent, first_time
from brokers.memory import MemoryBroker
from brokers.port import Channel, NoLog, Subscription
from contracts.catalogue import CATALOGUE, ORDERS, SENDER
from contracts.sagas import PUBLICATION
from tests.audit.ledgers import STEPS, Story

ORDER_COPY = ORDERS.groups[0]
IDS = [f"47{n}" for n in range(11, 15)]
OLD = Scope()
"""All that the stories tell is older than the grace."""


def named(log: SagaLog, order_id: str) -> SagaLog:
    """The log as that of another order."""
    headline = {"business_id": order_id}
    saga = f"order-{order_id}"
    events = []
    for event in log.events:
        data = dict(event.data)
        if isinstance(given := data.get("headline"), dict):
            data["headline"] = {**given, **headline}
        if isinstance(given := data.get("command"), dict):
            data["command"] = {**given, "order_id": order_id}
        events.append(event.model_copy(update={"saga_id": saga, "data": data}))
    return replace(log, order_id=order_id, saga_id=saga, events=tuple(events))


COMPLETED = replace(Story().did(*STEPS).completed(), sinks=(PUBLICATION,))
COMPENSATED = replace(
    Story().did("create-order").failed("charge-payment").undid("create-order").compensated(),
    sinks=(PUBLICATION,),
)
RUNNING = replace(Story().did("create-order").log(), sinks=(PUBLICATION,), closed=False)


class KnownLogs(Logs):
    """Logs that are what a test says."""

    def __init__(self, *logs: SagaLog) -> None:
        self.logs = {log.order_id: log for log in logs}
        self.begun: dict[str, SagaLog] = {}
        """What begins after the first look."""

    @override
    async def order_ids(self) -> list[str]:
        return sorted(self.logs)

    @override
    async def read(self, order_ids: Sequence[str], *, anew: bool = False) -> dict[str, SagaLog]:
        logs = {**self.logs, **(self.begun if anew else {})}
        return {it: logs[it] for it in order_ids if it in logs}


class LoglessBroker(MemoryBroker):
    """Keeps no log, as queues do."""

    @override
    async def log(self, channel: Channel) -> AsyncGenerator[Message]:
        raise NoLog("queues keep no log")
        yield


@dataclass
class Sound:
    """Orders of which everything is where it should be, until a test takes something away."""

    folder: Path
    logs: KnownLogs = field(
        default_factory=lambda: KnownLogs(
            *(named(COMPLETED, it) for it in IDS[:3]), named(COMPENSATED, IDS[3])
        )
    )
    broker: MemoryBroker = field(default_factory=MemoryBroker)

    def events(self, order_id: str) -> list[CloudEvent]:
        """What an order has to tell."""
        log = self.logs.logs[order_id]
        return made(log, log.events)

    async def happen(self) -> None:
        """Publish everything, and have it taken in."""
        for order_id in self.logs.logs:
            await self.publish(*self.events(order_id))
        await self.take_in()

    async def publish(self, *events: CloudEvent) -> None:
        """Publish on the events' own channels."""
        channels = {it.name: it.channel for it in CATALOGUE}
        for event in events:
            await self.broker.publish(channels[event.type], [Message.binary(event)])

    async def take_in(self, *left_out: str) -> None:
        """Have the order copies' inbox take in what waits, without handling some ids at all."""
        async with self.session() as session:
            subscription = Subscription(ORDERS, ORDER_COPY)
            async with self.broker.subscribe(subscription) as deliveries:
                while await self.broker.waiting(ORDERS, ORDER_COPY):
                    delivery = await anext(deliveries)
                    event = delivery.message.event()
                    if event.id not in left_out:
                        await first_time(session, ORDER_COPY, event.id, event.type)
                    await delivery.ack()
            await session.commit()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """The database of the order copies."""
        engine = create_async_engine(f"sqlite+aiosqlite:///{self.folder / 'copy.db'}")
        async with engine.begin() as connected:
            await connected.run_sync(
                ProcessedEvent.metadata.tables["processed_events"].create, checkfirst=True
            )
        async with AsyncSession(engine) as session:
            yield session
        await engine.dispose()

    def forget(self, event_id: str) -> None:
        """Have the broker lose an event."""
        for kept in self.broker.messages.values():
            kept[:] = [it for it in kept if it.id != event_id]

    async def audit(self, scope: Scope = OLD, *, repair: bool = False) -> EventAudit:
        """The audit, with the order copies' inbox."""
        urls = {ORDER_COPY: f"sqlite:///{self.folder / 'copy.db'}"}
        async with Inboxes.open(urls) as inboxes:
            plane = Plane(self.broker, CATALOGUE, SENDER, inboxes)
            found = await audit_events(self.logs, plane, scope)
            if repair:
                self.published = await publish_again(self.logs, plane, found)
                scope = replace(scope, just_published=frozenset(self.published))
                found = await audit_events(self.logs, plane, scope)
            return found
