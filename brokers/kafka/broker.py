"""Kafka behind the port."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager

from brokers.envelope import Message
from brokers.kafka.connecting import told_apart
from brokers.kafka.layout import Layout, group_of, topic_of
from brokers.kafka.letters import Letters
from brokers.kafka.member import Member
from brokers.kafka.publishing import Publisher
from brokers.kafka.reading import count_uncommitted, read_to_end
from brokers.kafka.topics import Topics
from brokers.kafka.wire import from_wire, to_wire
from brokers.membership import membership
from brokers.port import Channel, Delivery, Subscription

LEFT_WITHIN = 5.0
"""Seconds for a consumer to commit and to leave its group."""


class KafkaBroker:
    """A Kafka cluster: a topic for each channel, which keeps messages as long as its settings say.

    A group that has been away for longer than the cluster keeps its offsets begins anew.
    """

    def __init__(self, url: str) -> None:
        """Nothing is sent yet; raises SettingsError for a URL that says nothing usable."""
        self._layout = Layout.of_url(url)
        self._topics = Topics(self._layout)
        self._publisher = Publisher(self._layout, self._topics)
        self._letters = Letters(self._layout, self._publisher)

    async def publish(
        self, channel: Channel, messages: Sequence[Message], *, again: bool = False
    ) -> None:
        """Publish in order per key, and wait until all replicas in sync have everything.

        Kafka knows no repetitions of what was published before, so `again` changes nothing.
        """
        async with told_apart(self._layout):
            # One by one: thousands of headers at once would be the garbage collector's work.
            records = map(to_wire, messages)
            await self._publisher.publish(topic_of(channel.name), records, len(messages))

    @asynccontextmanager
    async def subscribe(self, subscription: Subscription) -> AsyncIterator[AsyncIterator[Delivery]]:
        """Deliveries of the partitions that are this consumer's share."""
        member = Member(self._layout, self._topics, subscription)
        problems = told_apart(self._layout)
        async with membership(member, problems, left_within=LEFT_WITHIN) as deliveries:
            yield deliveries

    async def log(self, channel: Channel) -> AsyncGenerator[Message]:
        """What the topic holds, in order per key."""
        async with told_apart(self._layout):
            async for record in read_to_end(self._layout, topic_of(channel.name)):
                yield from_wire(record)

    async def waiting(self, channel: Channel, group: str) -> int:
        """How many messages are behind the group's places, and some that are acknowledged.

        A place is before the first message of a partition that is not.
        """
        async with told_apart(self._layout):
            topic, id_ = topic_of(channel.name), group_of(channel.name, group)
            return await count_uncommitted(self._layout, topic, id_)

    async def bury(self, channel: Channel, group: str, message: Message) -> None:
        """Write it to the group's topic of dead letters."""
        async with told_apart(self._layout):
            await self._letters.bury(channel, group, message)

    async def dead_letters(self, channel: Channel, group: str) -> list[Message]:
        """The group's dead letters, by reading their topic from its beginning."""
        async with told_apart(self._layout):
            return await self._letters.all(channel, group)

    async def remove_dead_letter(self, channel: Channel, group: str, letter_id: str) -> bool:
        """Write its tombstone; of two who do at once, one is told that it was there."""
        async with told_apart(self._layout):
            return await self._letters.remove(channel, group, letter_id)

    async def close(self) -> None:
        """End the producer."""
        self._topics.close()
        await self._publisher.close()
