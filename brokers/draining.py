"""Consumers for as long as a context lasts, and their orderly end."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Protocol

log = logging.getLogger("consumer")

DRAINED_WITHIN = 10.0
"""Seconds for what is under way; what takes longer is given up, and comes again."""


class Stoppable(Protocol):
    """What runs until it is told to stop, and then ends what it has begun."""

    async def run(self) -> None:
        """Run; returns some time after `stop`."""

    def stop(self) -> None:
        """Begin nothing more."""


@asynccontextmanager
async def running(
    them: Collection[Stoppable], *, within: float = DRAINED_WITHIN
) -> AsyncIterator[None]:
    """Run them meanwhile; at the end what they have begun has `within` seconds.

    Raises:
        ExceptionGroup: of what one of them raises, which ends the context at once.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(it.run()) for it in them]
        yield
        log.info("draining: what is under way ends, and the rest comes again")
        for it in them:
            it.stop()
        _, late = await asyncio.wait(tasks, timeout=within)
        if late:
            log.warning("after %.0f s not everything has ended; it comes again", within)
        for task in late:
            task.cancel()
