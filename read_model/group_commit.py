"""Group commit: what comes while a transaction is written goes into the next one, together.

SQLite has one writer, and each of its statements costs a way to a thread and back. One transaction
a saga would have two hundred sagas wait for each other beyond every time limit.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from runtime.errors import ServerUnreachable

T = TypeVar("T")

MOST = 100
"""In one transaction, so that it takes milliseconds."""


@dataclass(frozen=True, eq=False)
class _Waiting(Generic[T]):
    what: T
    written: asyncio.Future[None]


class GroupCommit(Generic[T]):
    """Hands what is to be written to `write`, many at once, and one time after the other."""

    def __init__(self, write: Callable[[Sequence[T]], Coroutine[None, None, None]]) -> None:
        self._write = write
        self._waiting: list[_Waiting[T]] = []
        self._writing: asyncio.Task[None] | None = None

    async def put(self, what: T) -> None:
        """Return when it is written; raises what `write` raises for it."""
        waiting = _Waiting(what, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())
        await waiting.written

    async def _write_all(self) -> None:
        while self._waiting:
            together, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            # Whoever was cancelled meanwhile tries again by itself.
            await self._write_together([it for it in together if not it.written.done()])

    async def _write_together(self, together: Sequence[_Waiting[T]]) -> None:
        if not together:
            return
        writing = asyncio.create_task(self._write([it.what for it in together]))
        try:
            await asyncio.wait({writing})
            error = writing.exception()
            if error is not None and len(together) > 1 and not isinstance(error, ServerUnreachable):
                # What can't be written must not hold the others.
                for it in together:
                    await self._write_together([it])
            for it in (it for it in together if not it.written.done()):
                if error is None:
                    it.written.set_result(None)
                else:
                    it.written.set_exception(error)
        finally:
            # Nobody waits for ever for what was cut off.
            writing.cancel()
            for it in together:
                it.written.cancel()
