"""A group's dead letters: a FIFO queue that is read through and left as it was.

Each letter is a message group of its own there, since of a group that is under way SQS gives out no
more. What SQS has moved has its key as its group: so whoever reads sends it again as a letter.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from brokers.envelope import Message
from brokers.port import Channel
from brokers.sns_sqs.connecting import ANSWERS_WITHIN, Clients
from brokers.sns_sqs.layout import Layout, letters_of
from brokers.sns_sqs.leases import BATCH
from brokers.sns_sqs.topology import Topology
from brokers.sns_sqs.wire import Letter, Wire, buried_now, letter_from_wire, to_wire

if TYPE_CHECKING:
    from types_aiobotocore_sqs.client import SQSClient

HIDDEN_FOR = 120
"""Seconds for which a letter is hidden from others, if whoever reads dies on the way."""

OTHERS_WITHIN = 10.0
"""Seconds in which others who read have put letters back; what is hidden then is left out."""


@dataclass(frozen=True)
class Taken:
    """A letter that is hidden from others until it is put back."""

    letter: Letter
    receipt: str


class Letters:
    """The dead letters of all groups."""

    def __init__(self, layout: Layout, clients: Clients, topology: Topology) -> None:
        self._wait = min(layout.wait, 1)
        self._clients = clients
        self._topology = topology
        self._reading = asyncio.Lock()

    async def bury(self, channel: Channel, group: str, message: Message) -> None:
        """Send one; raises one of AWAY."""
        url = await self._topology.letters(channel, group)
        await _send(await self._clients.sqs(), url, buried_now(message))

    async def all(self, channel: Channel, group: str) -> list[Message]:
        """Oldest first; raises one of AWAY."""
        async with self._read(channel, group) as (_, taken):
            ordered = sorted((it.letter for it in taken), key=lambda it: it.buried or it.sent)
            # One that was buried twice, since the first answer was lost, is one.
            return list({it.message.id: it.message for it in ordered}.values())

    async def remove(self, channel: Channel, group: str, letter_id: str) -> bool:
        """Delete one, and whether it was there; raises one of AWAY."""
        async with self._read(channel, group) as (url, taken):
            found = [it for it in taken if it.letter.message.id == letter_id]
            for it in found:
                await self._delete(url, it)
                taken.remove(it)
            return bool(found)

    @asynccontextmanager
    async def _read(self, channel: Channel, group: str) -> AsyncIterator[tuple[str, list[Taken]]]:
        """All letters; those that are left in the list at the end are put back."""
        async with self._reading:
            taken: list[Taken] = []
            url = await self._topology.found(letters_of(channel.name, group))
            if url is None:
                yield "", taken
                return
            try:
                await self._take_all(url, taken)
                yield url, taken
            finally:
                await self._put_back(url, taken)

    async def _take_all(self, url: str, taken: list[Taken]) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + OTHERS_WITHIN
        while True:
            came = await self._take(url)
            for it in came:
                if it.letter.buried is None:
                    await self._make_letter(url, it)
                else:
                    taken.append(it)
            if came:
                continue
            if loop.time() > deadline or await self._are_all(url, len(taken)):
                return
            # Somebody else has the rest and waits for these: one of the two has to let go.
            await self._put_back(url, taken)
            taken.clear()
            await asyncio.sleep(random.uniform(0.0, 1.0))  # noqa: S311  no secret

    async def _are_all(self, url: str, taken: int) -> bool:
        # What somebody puts back while SQS counts the visible and then the hidden ones may be in
        # neither number, but not twice in a row.
        sqs = await self._clients.sqs()
        return await count(sqs, url) <= taken and await count(sqs, url) <= taken

    async def _take(self, url: str) -> list[Taken]:
        sqs = await self._clients.sqs()
        async with asyncio.timeout(self._wait + ANSWERS_WITHIN):
            answer = await sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=BATCH,
                WaitTimeSeconds=self._wait,
                VisibilityTimeout=HIDDEN_FOR,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["MessageGroupId", "SentTimestamp"],
            )
        return [
            Taken(letter_from_wire(it), it.get("ReceiptHandle", ""))
            for it in answer.get("Messages", [])
        ]

    async def _make_letter(self, url: str, moved: Taken) -> None:
        """If this ends on the way, there are two with the same id, which are one to readers."""
        wire = to_wire(moved.letter.message, buried=moved.letter.sent)
        await _send(await self._clients.sqs(), url, wire)
        await self._delete(url, moved)

    async def _delete(self, url: str, taken: Taken) -> None:
        sqs = await self._clients.sqs()
        async with asyncio.timeout(ANSWERS_WITHIN):
            await sqs.delete_message(QueueUrl=url, ReceiptHandle=taken.receipt)

    async def _put_back(self, url: str, taken: Sequence[Taken]) -> None:
        sqs = await self._clients.sqs()
        for start in range(0, len(taken), BATCH):
            async with asyncio.timeout(ANSWERS_WITHIN):
                await sqs.change_message_visibility_batch(
                    QueueUrl=url,
                    Entries=[
                        {"Id": str(number), "ReceiptHandle": it.receipt, "VisibilityTimeout": 0}
                        for number, it in enumerate(taken[start : start + BATCH])
                    ],
                )


async def count(sqs: "SQSClient", url: str) -> int:
    """About how many messages a queue has, those under way among them; raises one of AWAY."""
    async with asyncio.timeout(ANSWERS_WITHIN):
        answer = await sqs.get_queue_attributes(
            QueueUrl=url,
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )
    return sum(int(it) for it in answer.get("Attributes", {}).values())


async def _send(sqs: "SQSClient", url: str, wire: Wire) -> None:
    alone = uuid4().hex
    async with asyncio.timeout(ANSWERS_WITHIN):
        await sqs.send_message(
            QueueUrl=url,
            MessageBody=wire.body,
            MessageGroupId=alone,
            # Not the letter's id: one that was taken away may be buried again within five minutes.
            MessageDeduplicationId=alone,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value}
                for name, value in wire.attributes.items()
            },
        )
