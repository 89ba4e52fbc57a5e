"""The same with aiobotocore alone: batches of ten, order per key, deleted after the commit.

Topic and queue are made as the adapter makes them. A batch has no two messages of a key, since part
of it may fail; four are under way at once.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from pydantic import BaseModel

from benchmarks.crowd import MeasurementFailed
from benchmarks.event_load import (
    EVENT_TYPE,
    GROUP,
    LANES,
    PREFETCH,
    Books,
    OrderHappened,
    new_channel,
    take_in,
)
from brokers.envelope import CloudEvent, Message
from brokers.sns_sqs.connecting import Clients
from brokers.sns_sqs.layout import Layout
from brokers.sns_sqs.topology import Topology

if TYPE_CHECKING:  # installed in development only
    from types_aiobotocore_sns.client import SNSClient
    from types_aiobotocore_sqs.client import SQSClient
    from types_aiobotocore_sqs.type_defs import MessageTypeDef

_BATCH = 10
_BATCHES_AT_ONCE = 4
_ASKS_AGAIN_AFTER = 0.1
"""Seconds until the queue is asked again where it had nothing; moto waits badly."""


class _Envelope(BaseModel):
    """As much of a structured CloudEvent as is needed here."""

    data: OrderHappened


class BareSnsSqs:
    """One client of each service."""

    def __init__(self, sns: "SNSClient", sqs: "SQSClient", topic: str, queue: str) -> None:
        self._sns = sns
        self._sqs = sqs
        self._topic = topic
        self._queue = queue
        self._free = asyncio.Semaphore(_BATCHES_AT_ONCE)

    @classmethod
    @asynccontextmanager
    async def opened(cls, url: str) -> AsyncIterator[Self]:
        """On what the URL of the adapter names."""
        layout, channel = Layout.of_url(url), new_channel("bare")
        clients = Clients(layout)
        topology = Topology(layout, clients)
        topic, queue = await topology.make(channel), await topology.queue(channel, GROUP)
        await clients.close()
        session, config = get_session(), AioConfig(max_pool_connections=64)
        region, endpoint = layout.region, layout.endpoint
        async with (
            session.create_client(
                "sns", region_name=region, endpoint_url=endpoint, config=config
            ) as sns,
            session.create_client(
                "sqs", region_name=region, endpoint_url=endpoint, config=config
            ) as sqs,
        ):
            yield cls(sns, sqs, topic, queue)

    def made(self, event: CloudEvent) -> Message:
        """One JSON document, as raw delivery has no room for all attributes."""
        return Message.structured(event)

    async def publish(self, messages: Sequence[Message]) -> None:
        """Round by round: the first of each key, then the second ones."""
        keys: dict[str, list[Message]] = defaultdict(list)
        for message in messages:
            keys[message.key].append(message)
        for number in range(max(map(len, keys.values()))):
            left = [it[number] for it in keys.values() if number < len(it)]
            batches = (left[start : start + _BATCH] for start in range(0, len(left), _BATCH))
            await asyncio.gather(*map(self._send, batches))

    async def _send(self, batch: Sequence[Message]) -> None:
        async with self._free:
            answer = await self._sns.publish_batch(
                TopicArn=self._topic,
                PublishBatchRequestEntries=[
                    {
                        "Id": str(number),
                        "Message": message.body.decode(),
                        "MessageGroupId": message.key,
                        "MessageDeduplicationId": message.id,
                        "MessageAttributes": {
                            "event-type": {"DataType": "String", "StringValue": EVENT_TYPE},
                            "event-id": {"DataType": "String", "StringValue": message.id},
                        },
                    }
                    for number, message in enumerate(batch)
                ],
            )
        if answer.get("Failed"):
            raise MeasurementFailed(f"SNS did not take {answer['Failed']}")

    @asynccontextmanager
    async def consuming(self, books: Books) -> AsyncIterator[None]:
        """Receive while there is room; a batch's keys side by side, each in order."""
        room, lane = asyncio.Semaphore(PREFETCH // _BATCH), asyncio.Semaphore(LANES)
        async with asyncio.TaskGroup() as handling:
            receiving = handling.create_task(self._receive(handling, room, lane, books))
            yield
            receiving.cancel()

    async def _receive(
        self,
        handling: asyncio.TaskGroup,
        room: asyncio.Semaphore,
        lane: asyncio.Semaphore,
        books: Books,
    ) -> None:
        while True:
            await room.acquire()
            answer = await self._sqs.receive_message(
                QueueUrl=self._queue,
                MaxNumberOfMessages=_BATCH,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["MessageGroupId"],
            )
            if batch := answer.get("Messages", []):
                handled = handling.create_task(self._handle(batch, lane, books))
                handled.add_done_callback(lambda _: room.release())
            else:
                room.release()
                await asyncio.sleep(_ASKS_AGAIN_AFTER)

    async def _handle(
        self, batch: "Sequence[MessageTypeDef]", lane: asyncio.Semaphore, books: Books
    ) -> None:
        keys: dict[str, list[MessageTypeDef]] = defaultdict(list)
        for message in batch:
            keys[message["Attributes"]["MessageGroupId"]].append(message)
        await asyncio.gather(*(_in_order(it, books, lane) for it in keys.values()))
        await self._sqs.delete_message_batch(
            QueueUrl=self._queue,
            Entries=[
                {"Id": str(number), "ReceiptHandle": it["ReceiptHandle"]}
                for number, it in enumerate(batch)
            ],
        )


async def _in_order(
    messages: "Sequence[MessageTypeDef]", books: Books, lane: asyncio.Semaphore
) -> None:
    for message in messages:
        attributes = message["MessageAttributes"]
        event_id, event_type = (attributes[it]["StringValue"] for it in ("event-id", "event-type"))
        async with lane:
            await take_in(
                books, event_id, event_type, _Envelope.model_validate_json(message["Body"]).data
            )
