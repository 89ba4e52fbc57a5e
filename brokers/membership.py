"""A consumer's membership of its group, on every broker: it takes part beside what it hands out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from brokers.port import Delivery


class Member(Protocol):
    """One consumer of a group, as an adapter has it."""

    came: asyncio.Event
    """To be set when there may be something to hand out."""

    def next(self) -> Delivery | None:
        """What is to be handed out next, if there is anything and it has room."""

    async def take_part(self) -> None:
        """Take its share of the messages until `leave`; the broker may come and go."""

    def leave(self) -> None:
        """End `take_part`; what is not acknowledged by then comes again."""


@asynccontextmanager
async def membership(
    member: Member, problems: AbstractAsyncContextManager[None], *, left_within: float
) -> AsyncIterator[AsyncIterator[Delivery]]:
    """What the member hands out while the context is open.

    Args:
        member: one that does not take part yet.
        problems: what it takes part in, to tell the client's errors apart.
        left_within: seconds for it to leave in order.
    """

    async def take_part() -> None:
        async with problems:
            await member.take_part()

    running = asyncio.create_task(take_part())
    running.add_done_callback(lambda _: member.came.set())
    try:
        yield _handed_out(member, running)
    finally:
        member.leave()
        await asyncio.wait([running], timeout=left_within)
        running.cancel()
        await asyncio.wait([running])
        if not running.cancelled():
            running.result()


async def _handed_out(member: Member, running: asyncio.Task[None]) -> AsyncIterator[Delivery]:
    while True:
        while (delivery := member.next()) is None:
            if running.done():
                running.result()
                return
            member.came.clear()
            await member.came.wait()
        yield delivery
