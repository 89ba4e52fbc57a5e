"""A group's dead letters: a compacted topic, each one under its id until a tombstone removes it."""

from uuid import uuid4

from confluent_kafka import Message as WireMessage

from brokers.envelope import Message
from brokers.kafka.layout import Layout, letters_of
from brokers.kafka.publishing import Publisher
from brokers.kafka.reading import read_to_end
from brokers.kafka.wire import Outgoing, from_wire, is_tombstone, texts, to_wire
from brokers.port import Channel

REMOVAL = "removal"
"""The header of a tombstone that says who has removed the letter."""


class Letters:
    """The dead letters of all groups; each call raises KafkaException or TimeoutError."""

    def __init__(self, layout: Layout, publisher: Publisher) -> None:
        self._layout = layout
        self._publisher = publisher

    async def bury(self, channel: Channel, group: str, message: Message) -> None:
        """Write a letter."""
        topic = letters_of(channel.name, group)
        await self._publisher.publish(topic, [to_wire(message, key=message.id)], 1, letters=True)

    async def all(self, channel: Channel, group: str) -> list[Message]:
        """Those without a tombstone, oldest first."""
        there, _ = await self._read(letters_of(channel.name, group))
        return [from_wire(it) for it in there.values()]

    async def remove(self, channel: Channel, group: str, letter_id: str) -> bool:
        """Write the tombstone; whether this was the one that removed it."""
        topic = letters_of(channel.name, group)
        there, _ = await self._read(topic)
        if letter_id not in there:
            return False
        removal = uuid4().hex
        tombstone = Outgoing(letter_id.encode(), None, [(REMOVAL, removal.encode())])
        await self._publisher.publish(topic, [tombstone], 1, letters=True)
        _, removals = await self._read(topic)
        # Of two who have seen it at once, the first one counts.
        return removal in removals

    async def _read(self, topic: str) -> tuple[dict[str, WireMessage], set[str]]:
        """By id, what is there; and the tombstones that have removed something."""
        there: dict[str, WireMessage] = {}
        removals: set[str] = set()
        # In order per key; and in all, since the topic has one partition if it was made here.
        async for record in read_to_end(self._layout, topic):
            letter_id = (record.key() or b"").decode(errors="replace")
            if not is_tombstone(record):
                there[letter_id] = record
            elif there.pop(letter_id, None) is not None:
                removals.add(dict(texts(record.headers())).get(REMOVAL, ""))
        return there, removals
