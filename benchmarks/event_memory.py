"""Whether a consumer's memory stays flat: it publishes and consumes, and looks at itself meanwhile.

python -m benchmarks.event_memory BROKER_URL DATABASE_URL MESSAGES

It writes its resident memory, in megabytes, once per hundredth of the messages.
"""

import asyncio
import statistics
import sys
from collections.abc import AsyncIterator

import psutil

from benchmarks.crowd import MeasurementFailed
from benchmarks.event_load import AT_ONCE, Books, Ours, new_events
from benchmarks.figure import Figure
from benchmarks.worker_size import MEGABYTE
from demo.home import ROOT

GROWTH_LIMIT = 10.0
"""Megabytes, of the mean over the last tenth of the messages beyond that over the first tenth."""
SAMPLES = 100
_AHEAD = 4 * AT_ONCE
"""So many messages wait at the broker at most."""


async def memory(
    broker: str, broker_url: str, database_url: str, messages: int
) -> AsyncIterator[Figure]:
    """What a process of its own tells of itself."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.event_memory", broker_url, database_url, str(messages)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        told, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    samples = [float(line) for line in told.split()]
    if process.returncode or len(samples) != SAMPLES:
        raise MeasurementFailed(f"the consumer ended after {len(samples)} % of the messages")
    tenth = SAMPLES // 10
    first, last = statistics.mean(samples[:tenth]), statistics.mean(samples[-tenth:])
    yield Figure(f"{broker}, memory, first tenth of {messages}", first, "MB")
    yield Figure("  last tenth", last, "MB")
    yield Figure("  growth", last - first, "MB", GROWTH_LIMIT)


async def tell(broker_url: str, database_url: str, messages: int) -> None:
    """Publish and consume."""
    process = psutil.Process()
    async with Books.opened(database_url) as books, Ours.opened(broker_url) as ours:
        await ours.publish([])
        async with ours.consuming(books):
            published = told = 0
            while told < SAMPLES:
                if published < messages:
                    some = new_events(min(AT_ONCE, messages - published))
                    await ours.publish([ours.made(it) for it in some])
                    published += len(some)
                await books.until(published - _AHEAD if published < messages else messages)
                while told < SAMPLES and books.stored * SAMPLES >= messages * (told + 1):
                    told += 1
                    print(process.memory_info().rss / MEGABYTE, flush=True)


if __name__ == "__main__":
    _, to_broker, to_database, count = sys.argv
    asyncio.run(tell(to_broker, to_database, int(count)))
