"""Messages that SQS has given to a consumer for a while, and what becomes of them."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from botocore.exceptions import ParamValidationError

from brokers.envelope import Message
from brokers.sns_sqs.connecting import ANSWERS_WITHIN, AWAY, NO_CREDENTIALS, Clients

log = logging.getLogger("sns_sqs")

BATCH = 10
"""The most that SQS takes at once."""


@dataclass(eq=False)
class Lease:
    """A message that is nobody else's until it ends, and with it the later ones of its key."""

    message: Message
    key: str
    """SQS's message group."""
    receipt: str
    until: float
    """By the loop's clock."""
    handed_out: bool = False
    over: bool = False
    """Settled, or lost: then the message comes again."""


class Leases:
    """Ends and extends leases in one queue, many at once."""

    def __init__(self, clients: Clients) -> None:
        self.url = ""
        self._clients = clients
        self._done: list[tuple[Lease, asyncio.Future[None]]] = []
        self._deleting: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()

    async def delete(self, lease: Lease) -> None:
        """The message is done with; if SQS can't be told, it comes again."""
        deleted = asyncio.get_running_loop().create_future()
        self._done.append((lease, deleted))
        if self._deleting is None:
            # Those that come while a batch is under way make up the next one.
            self._deleting = asyncio.create_task(self._delete())
        await deleted

    async def flush(self) -> None:
        """Return when everything that is done with has been deleted."""
        if self._deleting is not None:
            await asyncio.wait([self._deleting])

    async def extend(self, leases: Sequence[Lease], seconds: int) -> list[Lease]:
        """Extend them from now on, and return those that were lost; raises one of AWAY."""
        lost: list[Lease] = []
        for batch in batches(leases):
            # Whoever gives a message back waits, or it would be hidden again.
            async with self._changing:
                kept = [it for it in batch if not it.over]
                now = asyncio.get_running_loop().time()
                refused = await self._change(kept, seconds)
                for lease in kept:
                    if lease in refused:
                        lost.append(lease)
                    else:
                        lease.until = now + seconds
        return lost

    async def give_back(self, leases: Sequence[Lease]) -> None:
        """They come again, in this order per key; if SQS can't be told, when their time is up."""
        for lease in leases:
            lease.over = True
        for batch in batches(leases):
            async with self._changing:
                try:
                    await self._change(batch, 0)
                except ParamValidationError:
                    raise
                except AWAY as error:
                    log.info("not given back, so it comes again later: %r", error)
                    return

    async def _delete(self) -> None:
        try:
            while self._done:
                batch, self._done = self._done[:BATCH], self._done[BATCH:]
                try:
                    await self._delete_batch([lease for lease, _ in batch])
                finally:
                    for _, deleted in batch:
                        if not deleted.done():
                            deleted.set_result(None)
        finally:
            self._deleting = None

    async def _delete_batch(self, leases: Sequence[Lease]) -> None:
        try:
            sqs = await self._clients.sqs()
            async with asyncio.timeout(ANSWERS_WITHIN):
                answer = await sqs.delete_message_batch(
                    QueueUrl=self.url,
                    Entries=[
                        {"Id": str(number), "ReceiptHandle": lease.receipt}
                        for number, lease in enumerate(leases)
                    ],
                )
        except (ParamValidationError, *NO_CREDENTIALS):
            raise
        except AWAY as error:
            log.info("not deleted, so they come again: %r", error)
            return
        for failed in answer.get("Failed", []):
            log.info("not deleted, so it comes again: %s", failed.get("Message", failed["Code"]))

    async def _change(self, leases: Sequence[Lease], seconds: int) -> set[Lease]:
        """Those that SQS says are no more with us."""
        if not leases:
            return set()
        sqs = await self._clients.sqs()
        async with asyncio.timeout(ANSWERS_WITHIN):
            answer = await sqs.change_message_visibility_batch(
                QueueUrl=self.url,
                Entries=[
                    {
                        "Id": str(number),
                        "ReceiptHandle": lease.receipt,
                        "VisibilityTimeout": seconds,
                    }
                    for number, lease in enumerate(leases)
                ],
            )
        return {leases[int(failed["Id"])] for failed in answer.get("Failed", [])}


def batches(leases: Sequence[Lease]) -> Iterator[Sequence[Lease]]:
    """As many at once as SQS takes."""
    for start in range(0, len(leases), BATCH):
        yield leases[start : start + BATCH]
