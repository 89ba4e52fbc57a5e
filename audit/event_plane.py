"""The audit of the published events: what the sagas' logs make, against brokers and inboxes.

The logs are read first, then what the broker holds, then the inboxes: what a log makes has to be
found in what is read later. What is found and no log has made is looked for in the logs again.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby

from audit.event_findings import ChannelSeen, ConsumerSeen, EventAudit
from audit.event_judgement import judge, log_unreadable
from audit.event_ledger import Ledger, ledger
from audit.event_rows import Dead, Due, Held, Listens, Told
from audit.inboxes import Inboxes
from audit.logs import Logs
from audit.saga_log import SagaLog
from brokers.catalogue import Catalogue, MessageType, SchemaRefused
from brokers.envelope import CloudEvent, Message, UnreadableMessage
from brokers.port import Broker, Channel, NoLog
from contracts.integration import integration_messages
from contracts.sagas import PUBLICATION
from saga.state import AnyEvent

GRACE = timedelta(minutes=5)
"""How long a saga that runs may take to publish an event, and a consumer to take it in."""
_AT_ONCE = 200
"""Orders or messages; so many are in memory at a time."""


@dataclass(frozen=True)
class Plane:
    """Where the sagas' events go."""

    broker: Broker
    catalogue: Catalogue
    sender: str
    """Whose types are looked at, as the catalogue names it."""
    inboxes: Inboxes

    @property
    def types(self) -> dict[str, MessageType]:
        """The types that the sagas send, by name."""
        return {it.name: it for it in self.catalogue if it.sender == self.sender}

    @property
    def channels(self) -> dict[str, Channel]:
        """The channels that these go to, by name."""
        return {it.channel.name: it.channel for it in self.types.values()}

    def digest(self, event: CloudEvent) -> bytes | None:
        """Of what it says in today's form; None when it is newer than this code.

        How it came here is left out: that may be told in other ways later.
        """
        data = event.data
        if event.schemaversion > self.types[event.type].version:
            return None
        with suppress(SchemaRefused):
            data = self.catalogue.decode(event).model_dump(mode="json")
        says = [event.type, event.subject, data]
        return hashlib.sha256(json.dumps(says, sort_keys=True).encode()).digest()[:16]

    def event_in(self, message: Message) -> CloudEvent | None:
        """The saga's event in a message; None for another's. Raises UnreadableMessage."""
        event = message.event()
        ours = event.source == self.catalogue.source and event.type in self.types
        return event if ours else None


@dataclass(frozen=True)
class Scope:
    """What is asked of an audit."""

    grace: timedelta = GRACE
    since: datetime | None = None
    """What happened before need not be there any more."""
    just_published: frozenset[str] = field(default=frozenset(), repr=False)
    """Ids of what was published again a moment ago, and may be on its way to the consumers."""


async def audit_events(logs: Logs, plane: Plane, scope: Scope = Scope()) -> EventAudit:
    """Hold all logs against all channels, dead letters and inboxes.

    Raises BrokerUnreachable, or what reading logs and inboxes raises.
    """
    found = EventAudit(at=datetime.now(UTC))
    with ledger() as book:
        looking = _Looking(logs, plane, scope, book, found)
        await looking.at_logs(await logs.order_ids())
        for channel in plane.channels.values():
            await looking.at_channel(channel)
        for channel in plane.channels.values():
            for group in channel.groups:
                await looking.at_consumer(channel, group)
        found.untold = book.settle()
        await looking.again()
        found.due = book.due
        judge(book, found, scope.grace, scope.just_published)
    return found


async def publish_again(logs: Logs, plane: Plane, found: EventAudit) -> list[str]:
    """Publish what is missing with its own id, in order per order; the ids of what was published.

    Raises like `audit_events`.
    """
    wanted = {it.event_id for it in found.findings if it.mendable}
    orders = dict.fromkeys(it.order_id for it in found.findings if it.mendable and it.order_id)
    published: list[str] = []
    for some in _pages(list(orders)):
        read = await logs.read(some, anew=True)
        for order_id in some:
            log = read.get(order_id)
            events = [] if log is None else made(log, log.events)
            missing = [event for event in events if event.id in wanted]
            for name, run in groupby(missing, lambda event: plane.types[event.type].channel.name):
                messages = [Message.binary(event) for event in run]
                await plane.broker.publish(plane.channels[name], messages, again=True)
                published += (message.id for message in messages)
    return published


def made(log: SagaLog, events: Iterable[AnyEvent]) -> list[CloudEvent]:
    """What some events of a saga's log tell the outside."""
    if log.state is None or log.unreadable is not None:
        return []
    return integration_messages(log.state, events)


class _Looking:
    """One audit under way."""

    def __init__(
        self, logs: Logs, plane: Plane, scope: Scope, book: Ledger, found: EventAudit
    ) -> None:
        self._logs = logs
        self._plane = plane
        self._since = scope.since.timestamp() if scope.since else 0.0
        self._book = book
        self._found = found

    async def at_logs(self, order_ids: Sequence[str]) -> None:
        """What the logs of all sagas make."""
        for some in _pages(order_ids):
            for log in (await self._logs.read(some)).values():
                self._found.sagas += self._tell(log)
                if log.unreadable is not None:
                    self._found.findings.append(log_unreadable(log))

    async def at_channel(self, channel: Channel) -> None:
        """What the broker holds of a channel."""
        seen = ChannelSeen(channel.name)
        self._found.channels.append(seen)
        some: list[Held] = []
        try:
            async for message in self._plane.broker.log(channel):
                try:
                    event = self._plane.event_in(message)
                except UnreadableMessage:
                    seen.unreadable += 1
                    continue
                if event is None:
                    seen.others += 1
                    continue
                seen.messages += 1
                digest = self._plane.digest(event)
                some.append(Held(event.id, channel.name, event.type, event.subject, digest))
                if len(some) == _AT_ONCE:
                    self._book.hold(some)
                    some = []
        except NoLog:
            seen.logged = False
        else:
            self._book.hold(some)
            self._book.log(channel.name)

    async def at_consumer(self, channel: Channel, group: str) -> None:
        """What a consumer has got of a channel: its dead letters, and its inbox."""
        broker, plane = self._plane.broker, self._plane
        letters = await broker.dead_letters(channel, group)
        self._book.bury(self._dead(channel, group, letters))
        waiting = await broker.waiting(channel, group)
        inbox = None
        if group in plane.inboxes.consumers:
            types = [
                name
                for name, it in plane.types.items()
                if it.channel.name == channel.name and group in it.receivers
            ]
            self._book.listen(Listens(group, name, waiting) for name in types)
            inbox = 0
            async for rows in plane.inboxes.rows(group):
                ours = [row for row in rows if row.type in types]
                inbox += len(ours)
                self._book.take(ours)
        seen = ConsumerSeen(group, channel.name, waiting, len(letters), inbox)
        self._found.consumers.append(seen)

    async def again(self) -> None:
        """Look for the logs of what nobody seems to have made: its saga may have begun since."""
        orders = list(dict.fromkeys(it.order_id for it in self._book.orphans()))
        for some in _pages(orders):
            for log in (await self._logs.read(some, anew=True)).values():
                self._tell(log)

    def _tell(self, log: SagaLog) -> bool:
        """Take in one log; whether its saga publishes, or may do."""
        if log.unreadable is not None:
            self._book.unreadable([log.order_id])
            return False
        due = Due.UNSURE
        if log.sinks is not None:
            due = Due.MUST if PUBLICATION in log.sinks else Due.MAY
        events = made(log, log.events)
        may = [self._told(log, event, 0, Due.MAY) for event in made(log, log.abandoned)]
        # What the newest run tells as well replaces what an older one has told.
        self._book.tell([it._replace(digest=None) for it in may])
        self._book.tell(self._told(log, event, place, due) for place, event in enumerate(events))
        return due is not Due.MAY

    def _told(self, log: SagaLog, event: CloudEvent, place: int, due: Due) -> Told:
        at = event.time.timestamp()
        return Told(
            id=event.id,
            order_id=log.order_id,
            place=place,
            channel=self._plane.types[event.type].channel.name,
            type=event.type,
            at=at,
            due=due if at >= self._since else Due.MAY,
            open=not log.closed,
            digest=self._plane.digest(event),
        )

    def _dead(self, channel: Channel, group: str, letters: Iterable[Message]) -> Iterator[Dead]:
        for letter in letters:
            try:
                event = self._plane.event_in(letter)
            except UnreadableMessage:
                continue
            if event is not None:
                yield Dead(group, event.id, channel.name, event.type, event.subject, letter.id)


def _pages(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE))
