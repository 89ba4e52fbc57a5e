"""SNS and SQS behind the port."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from brokers.envelope import Message
from brokers.membership import membership
from brokers.port import BrokerUnreachable, Channel, Delivery, NoLog, Subscription
from brokers.sns_sqs.connecting import Clients, told_apart
from brokers.sns_sqs.layout import Layout, queue_of
from brokers.sns_sqs.letters import Letters, count
from brokers.sns_sqs.member import Member
from brokers.sns_sqs.publishing import Addressed, Publisher
from brokers.sns_sqs.topology import Topology

LEFT_WITHIN = 5.0
"""Seconds for a consumer to give back what it holds."""


class SnsSqsBroker:
    """SNS and SQS of a region, or of an endpoint that speaks as they do.

    A topic keeps nothing: a group that is not in `channel.groups` and comes later begins with what
    is published from then on, and `log` has nothing to read. Where older messages are needed, give
    the FIFO topic a message archive (SNS's `ArchivePolicy`, with a subscription's `ReplayPolicy`).
    """

    def __init__(self, url: str) -> None:
        """Nothing is sent yet; raises SettingsError for a URL that says nothing usable."""
        self._layout = Layout.of_url(url)
        self._clients = Clients(self._layout)
        self._topology = Topology(self._layout, self._clients)
        self._publisher = Publisher(self._clients, self._topology)
        self._letters = Letters(self._layout, self._clients, self._topology)

    async def publish(
        self, channel: Channel, messages: Sequence[Message], *, again: bool = False
    ) -> None:
        """Publish in order per key; SNS swallows what has an id of the last five minutes.

        Args:
            channel: made with its groups if it is not there.
            messages: none of more than 256 KB, or BrokerUnreachable is raised and nothing sent.
            again: give them deduplication ids that SNS has not seen.
        """
        async with told_apart(self._layout):
            addressed = [Addressed.of(it, again=again) for it in messages]
            await self._publisher.publish(channel, addressed)

    @asynccontextmanager
    async def subscribe(self, subscription: Subscription) -> AsyncIterator[AsyncIterator[Delivery]]:
        """Deliveries of the group's queue."""
        # Also what is published in the next moment is for this group. If nobody answers yet, the
        # member waits.
        with suppress(BrokerUnreachable):
            async with told_apart(self._layout):
                await self._topology.make(subscription.channel, subscription.group)
        member = Member(self._layout, self._clients, self._topology, subscription)
        problems = told_apart(self._layout)
        async with membership(member, problems, left_within=LEFT_WITHIN) as deliveries:
            yield deliveries

    async def log(self, channel: Channel) -> AsyncGenerator[Message]:
        """Raises NoLog."""
        raise NoLog(
            f"SNS and SQS keep of {channel.name} only what is not consumed: for more, give its"
            " topic a message archive"
        )
        yield Message(b"", "", "")  # Which makes this an iterator.

    async def waiting(self, channel: Channel, group: str) -> int:
        """What SQS says of the group's queue, which may be a minute old."""
        async with told_apart(self._layout):
            url = await self._topology.found(queue_of(channel.name, group))
            return 0 if url is None else await count(await self._clients.sqs(), url)

    async def bury(self, channel: Channel, group: str, message: Message) -> None:
        """Send it to the group's queue of dead letters."""
        async with told_apart(self._layout):
            await self._letters.bury(channel, group, message)

    async def dead_letters(self, channel: Channel, group: str) -> list[Message]:
        """The group's dead letters; also those that SQS itself has put there.

        Letters that somebody else reads at the same time are waited for, a few seconds long.
        """
        async with told_apart(self._layout):
            return await self._letters.all(channel, group)

    async def remove_dead_letter(self, channel: Channel, group: str, letter_id: str) -> bool:
        """Delete that one only."""
        async with told_apart(self._layout):
            return await self._letters.remove(channel, group, letter_id)

    async def close(self) -> None:
        """Close the connections."""
        await self._clients.close()
