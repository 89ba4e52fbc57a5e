"""How large a watched worker is: memory, open files, threads, tasks."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.watched_worker import tasks_file

MEGABYTE = 1_000_000
_INTERVAL = 0.25
_ANSWER_TIMEOUT = 15.0


@dataclass(frozen=True)
class Size:
    """A worker at rest."""

    memory: float
    """Resident, in megabytes."""
    open_files: int
    threads: int
    tasks: int


@dataclass
class Peak:
    """The largest resident memory seen so far, in megabytes."""

    memory: float = 0.0


async def size_of(pid: int, home: Path) -> Size:
    """The size of a watched worker; raises TimeoutError when it does not count its tasks."""
    process = psutil.Process(pid)
    tasks_file(home).unlink(missing_ok=True)
    memory, open_files, threads = _memory(process), process.num_fds(), process.num_threads()
    os.kill(pid, signal.SIGUSR1)
    async with asyncio.timeout(_ANSWER_TIMEOUT):
        while not tasks_file(home).exists():  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(_INTERVAL)
    return Size(memory, open_files, threads, int(tasks_file(home).read_text()))


@asynccontextmanager
async def sampling(pid: int) -> AsyncIterator[Peak]:
    """Watch a process's memory for as long as the context lasts."""
    process, peak = psutil.Process(pid), Peak()

    async def sample() -> None:
        while True:
            peak.memory = max(peak.memory, _memory(process))
            await asyncio.sleep(_INTERVAL)

    task = asyncio.create_task(sample())
    try:
        yield peak
    finally:
        task.cancel()
        await asyncio.wait([task])


def _memory(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / MEGABYTE
