"""Publishing in order per key, in batches."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from botocore.exceptions import ClientError

from brokers.envelope import Message
from brokers.port import BrokerUnreachable, Channel
from brokers.sns_sqs.connecting import ANSWERS_WITHIN, MISSING, Clients, code_of
from brokers.sns_sqs.layout import token
from brokers.sns_sqs.topology import Topology
from brokers.sns_sqs.wire import Wire, to_wire

if TYPE_CHECKING:
    from types_aiobotocore_sns.type_defs import PublishBatchRequestEntryTypeDef

BATCH = 10
LARGEST = 256 * 1024
"""Bytes of a batch, and so of a message."""
AT_ONCE = 4
"""Batches under way."""
TRIES = 3


@dataclass(frozen=True)
class Addressed:
    """A message on its way."""

    wire: Wire
    group: str
    repetition: str
    """What SNS and SQS know it by for five minutes, however often it is sent."""

    @classmethod
    def of(cls, message: Message, *, again: bool) -> "Addressed":
        """Raises BrokerUnreachable if it is larger than SNS takes."""
        wire = to_wire(message)
        if wire.size > LARGEST:
            raise BrokerUnreachable(
                f"SNS takes at most {LARGEST} bytes, and message {message.id!r} has {wire.size}"
            )
        repetition = message.id
        if again or not repetition:
            repetition = f"{repetition}~{uuid4().hex}"
        return cls(wire, token(message.key), token(repetition))


class Publisher:
    """Publishes to the topics of channels."""

    def __init__(self, clients: Clients, topology: Topology) -> None:
        self._clients = clients
        self._topology = topology
        self._free = asyncio.Semaphore(AT_ONCE)

    async def publish(self, channel: Channel, messages: Sequence[Addressed]) -> None:
        """Return when SNS has them all; raises one of AWAY, or BrokerUnreachable."""
        await self._topology.make(channel)
        for round_ in rounds(messages):
            results = await asyncio.gather(
                *(self._send(channel, batch) for batch in batches(round_)), return_exceptions=True
            )
            for result in results:
                if result is not None:
                    raise result

    async def _send(self, channel: Channel, batch: Sequence[Addressed]) -> None:
        sns = await self._clients.sns()
        left = {str(number): it for number, it in enumerate(batch)}
        told = ""
        for tried in range(TRIES):
            if tried:
                # Perhaps a topic or queue is gone; SNS swallows what it has had already.
                self._topology.forget(channel)
                await asyncio.sleep(0.1 * tried)
            topic = await self._topology.make(channel)
            async with self._free:
                try:
                    async with asyncio.timeout(ANSWERS_WITHIN):
                        answer = await sns.publish_batch(
                            TopicArn=topic,
                            PublishBatchRequestEntries=[_entry(*it) for it in left.items()],
                        )
                except ClientError as error:
                    if code_of(error) not in MISSING:
                        raise
                    told = str(error)
                    continue
            for done in answer.get("Successful", []):
                left.pop(done.get("Id", ""), None)
            if not left:
                return
            failed = answer.get("Failed", [])
            told = failed[0].get("Message", failed[0]["Code"]) if failed else "no reason given"
        raise BrokerUnreachable(f"SNS did not take {len(left)} of {len(batch)} messages: {told}")


def rounds(messages: Sequence[Addressed]) -> Iterator[list[Addressed]]:
    """First the first message of each key, then the second ones, and so on.

    Part of a batch may fail: so no two of one key are in the same.
    """
    keys: dict[str, list[Addressed]] = defaultdict(list)
    for message in messages:
        keys[message.group].append(message)
    for number in range(max((len(it) for it in keys.values()), default=0)):
        yield [it[number] for it in keys.values() if number < len(it)]


def batches(messages: Sequence[Addressed]) -> Iterator[list[Addressed]]:
    """As many at once as SNS takes."""
    batch: list[Addressed] = []
    size = 0
    for message in messages:
        if batch and (len(batch) == BATCH or size + message.wire.size > LARGEST):
            yield batch
            batch, size = [], 0
        batch.append(message)
        size += message.wire.size
    if batch:
        yield batch


def _entry(number: str, message: Addressed) -> "PublishBatchRequestEntryTypeDef":
    return {
        "Id": number,
        "Message": message.wire.body,
        "MessageGroupId": message.group,
        "MessageDeduplicationId": message.repetition,
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": value}
            for name, value in message.wire.attributes.items()
        },
    }
