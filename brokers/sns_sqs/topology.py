"""A channel's topic, and each group's queue, dead letters and subscription between them."""

import asyncio
import json
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from brokers.port import Channel
from brokers.sns_sqs.connecting import ANSWERS_WITHIN, MISSING, Clients, code_of
from brokers.sns_sqs.layout import Layout, letters_of, queue_arn, queue_of, topic_of

if TYPE_CHECKING:
    from types_aiobotocore_sqs.literals import QueueAttributeNameType

LONGEST_KEPT = str(14 * 24 * 3600)
"""Seconds: the most that SQS has."""


class Topology:
    """Makes what is not there, once per channel and group."""

    def __init__(self, layout: Layout, clients: Clients) -> None:
        self._layout = layout
        self._clients = clients
        self._making = asyncio.Lock()
        self._topics: dict[str, str] = {}
        self._made: dict[tuple[str, str], str] = {}
        """The queue's URL by channel and group."""

    async def make(self, channel: Channel, group: str | None = None) -> str:
        """The ARN of the channel's topic; its groups, and this one, have their queues."""
        async with self._making:
            if channel.name not in self._topics:
                self._topics[channel.name] = await self._topic(topic_of(channel.name))
            topic = self._topics[channel.name]
            for name in dict.fromkeys((*channel.groups, *((group,) if group else ()))):
                if (channel.name, name) not in self._made:
                    self._made[channel.name, name] = await self._group(topic, channel.name, name)
            return topic

    async def queue(self, channel: Channel, group: str) -> str:
        """The URL of a group's queue, which is made if it is not there."""
        while True:
            await self.make(channel, group)
            # It may have been forgotten while the channel's other groups were made.
            if (url := self._made.get((channel.name, group))) is not None:
                return url

    async def letters(self, channel: Channel, group: str) -> str:
        """The URL of a group's dead letters, which are made if they are not there."""
        await self.make(channel, group)
        url = await self.found(letters_of(channel.name, group))
        if url is None:
            self.forget(channel)
            await self.make(channel, group)
            url = await self.found(letters_of(channel.name, group))
        assert url is not None
        return url

    async def found(self, queue: str) -> str | None:
        """The URL of a queue by its name, if there is one."""
        sqs = await self._clients.sqs()
        try:
            async with asyncio.timeout(ANSWERS_WITHIN):
                return (await sqs.get_queue_url(QueueName=queue))["QueueUrl"]
        except ClientError as error:
            if code_of(error) in MISSING:
                return None
            raise

    def forget(self, channel: Channel) -> None:
        """It is not there any more, or not all of it: the next `make` looks again."""
        self._topics.pop(channel.name, None)
        for channel_name, group in list(self._made):
            if channel_name == channel.name:
                del self._made[channel_name, group]

    async def _topic(self, name: str) -> str:
        sns = await self._clients.sns()
        async with asyncio.timeout(ANSWERS_WITHIN):
            attributes = {"FifoTopic": "true", "ContentBasedDeduplication": "false"}
            return (await sns.create_topic(Name=name, Attributes=attributes))["TopicArn"]

    async def _group(self, topic: str, channel: str, group: str) -> str:
        letters, queue = letters_of(channel, group), queue_of(channel, group)
        _ = await self._queue(letters)
        url = await self._queue(queue)
        await self._allow(url, topic, queue_arn(topic, queue), queue_arn(topic, letters))
        await self._subscribe(topic, queue_arn(topic, queue))
        return url

    async def _queue(self, name: str) -> str:
        sqs = await self._clients.sqs()
        attributes: dict[QueueAttributeNameType, str] = {
            "FifoQueue": "true",
            # Keys do not wait for each other.
            "DeduplicationScope": "messageGroup",
            "FifoThroughputLimit": "perMessageGroupId",
            "MessageRetentionPeriod": LONGEST_KEPT,
        }
        try:
            async with asyncio.timeout(ANSWERS_WITHIN):
                made = await sqs.create_queue(QueueName=name, Attributes=attributes)
                return made["QueueUrl"]
        except ClientError as error:
            # Somebody has made it with other settings, which are theirs to choose.
            if code_of(error) not in {"QueueAlreadyExists", "QueueNameExists"}:
                raise
            url = await self.found(name)
            if url is None:
                raise
            return url

    async def _allow(self, url: str, topic: str, queue: str, letters: str) -> None:
        """Let the topic send to the queue, and SQS move what kills its consumers."""
        sqs = await self._clients.sqs()
        async with asyncio.timeout(ANSWERS_WITHIN):
            answer = await sqs.get_queue_attributes(
                QueueUrl=url, AttributeNames=["Policy", "RedrivePolicy"]
            )
            there = answer.get("Attributes", {})
            wanted: dict[QueueAttributeNameType, str] = {}
            redrive = {
                "deadLetterTargetArn": letters,
                "maxReceiveCount": self._layout.max_receives,
            }
            if json.loads(there.get("RedrivePolicy") or "{}") != redrive:
                wanted["RedrivePolicy"] = json.dumps(redrive)
            if not there.get("Policy"):
                wanted["Policy"] = _policy(topic, queue)
            if wanted:
                await sqs.set_queue_attributes(QueueUrl=url, Attributes=wanted)

    async def _subscribe(self, topic: str, queue: str) -> None:
        sns = await self._clients.sns()
        try:
            async with asyncio.timeout(ANSWERS_WITHIN):
                await sns.subscribe(
                    TopicArn=topic,
                    Protocol="sqs",
                    Endpoint=queue,
                    Attributes={"RawMessageDelivery": "true"},
                )
        except ClientError as error:
            # Somebody has given it a filter policy, say.
            if "already exists with different attributes" not in str(error):
                raise


def _policy(topic: str, queue: str) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
