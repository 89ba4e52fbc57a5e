"""Locks of the kernel on files under SAGA_HOME: they end with the process that holds them."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self
from uuid import uuid4

from runtime.errors import HomeNotWritable

_POLL = 0.02


@asynccontextmanager
async def exclusive(path: Path) -> AsyncIterator[None]:
    """Hold the lock on `path`; polls, so that a waiting task can be cancelled."""
    descriptor = _open(path)
    try:
        while not _try_lock(descriptor):  # noqa: ASYNC110 - the holder is another process
            await asyncio.sleep(_POLL)
        yield
    finally:
        os.close(descriptor)


class Registration:
    """One attached worker: a locked file in `folder`, which a killed worker leaves unlocked.

    Make, release and count registrations under one lock: a file is free for an instant
    between its making and its locking.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        # Several may live in one process, and containers that share a folder repeat pids.
        self._path = folder / f"{os.getpid()}-{uuid4().hex[:8]}"
        self._descriptor = _open(self._path)
        _try_lock(self._descriptor)

    @classmethod
    def make(cls, home: Path) -> Self:
        """Register under `<home>/workers`."""
        return cls(home / "workers")

    def release(self) -> None:
        """Remove the registration."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def alone(self) -> bool:
        """Whether no other registration is held; removes those that nobody holds any more."""
        others = (path for path in self._path.parent.glob("*") if path != self._path)
        held = [path for path in others if _held(path)]
        return not held


def _held(path: Path) -> bool:
    descriptor = _open(path)
    try:
        if not _try_lock(descriptor):
            return True
        path.unlink(missing_ok=True)
        return False
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except PermissionError as error:
        raise HomeNotWritable(
            f"{path} belongs to another user: remove it or set SAGA_HOME to a folder of your own"
        ) from error


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
