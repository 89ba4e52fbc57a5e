"""Measure the engine's own cost against the same saga written by hand: `make bench-engine`.

python -m benchmarks.engine [--block 25] [--pairs 24] [--json]

Both sides run in one worker process, in turns, on participants that answer at once; the server and
the client are processes of their own and not counted. What each side does is told in
benchmarks/by_hand.py. Exit code: 0, or 1 when a limit is broken.
"""

import argparse
import asyncio
import json
import math
import os
import statistics
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass

from temporalio.client import Client

from benchmarks.crowd import MeasurementFailed
from benchmarks.hand_log import BY_HAND
from benchmarks.order_history import ENDINGS, place, shortest_history
from contracts.commands import PlaceOrder
from contracts.sagas import ORDER
from demo.home import ROOT, HomeTaken, own_home
from runtime.connection import connect
from runtime.dev_server import temporal_server
from runtime.embedded import Embedded
from runtime.errors import RuntimeProblem
from runtime.search_attributes import register_search_attributes
from runtime.settings import Settings
from saga import SagaKind, SagaPlugin, Sagas, Status

CPU_LIMIT, HISTORY_LIMIT = 1.05, 1.0
"""Engine over hand."""
AT_ONCE = 10
HISTORIES = 3
"""Orders of which the shortest history is taken."""
SETTLING = 0.2
"""Seconds until a worker has let go of the orders that have ended."""
READY_TIMEOUT = 60.0

_PROBLEMS = (HomeTaken, MeasurementFailed, RuntimeProblem)


@dataclass(frozen=True)
class Comparison:
    """One figure of both sides, per saga."""

    ending: str
    name: str
    unit: str
    engine: float
    by_hand: float
    ratio: float
    low: float
    high: float
    """The ratio is the median over all pairs; 19 times of 20, that lies from `low` to `high`."""
    limit: float | None = None
    """None for what is told as information."""

    @property
    def kept(self) -> bool:
        """Whether the limit is."""
        return self.limit is None or self.ratio <= self.limit


class CountedWorker:
    """The worker process whose CPU time is measured."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    @asynccontextmanager
    async def started(cls) -> AsyncIterator["CountedWorker"]:
        """A worker that is ready, and is gone afterwards."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.counted_worker"),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            worker = cls(process)
            await worker._line()
            yield worker
        finally:
            if process.stdin:
                process.stdin.close()
            try:
                async with asyncio.timeout(READY_TIMEOUT):
                    await process.wait()
            except TimeoutError:
                process.kill()

    async def cpu(self) -> float:
        """The CPU seconds that it has used; then it clears its garbage away, uncounted."""
        if self._process.stdin is None:
            raise MeasurementFailed("the worker takes no questions")
        self._process.stdin.write(b"\n")
        return float(await self._line())

    async def _line(self) -> bytes:
        if self._process.stdout is None:
            raise MeasurementFailed("the worker gives no answers")
        try:
            async with asyncio.timeout(READY_TIMEOUT):
                line = await self._process.stdout.readline()
        except TimeoutError:
            raise MeasurementFailed("the worker does not answer") from None
        if not line:
            raise MeasurementFailed("the worker has ended")
        return line


@dataclass(frozen=True)
class Field:
    """Where blocks of orders are run."""

    client: Client
    sagas: Sagas
    worker: CountedWorker
    block: int

    async def cpu_of_block(self, kind: SagaKind[PlaceOrder], ending: Status) -> float:
        """CPU seconds a saga, over one block."""
        before, left = await self.worker.cpu(), iter(range(self.block))

        async def customer() -> None:
            for _ in left:
                await place(self.sagas, self.client, kind, ending)

        async with asyncio.TaskGroup() as customers:
            for _ in range(AT_ONCE):
                customers.create_task(customer())
        await asyncio.sleep(SETTLING)
        return (await self.worker.cpu() - before) / self.block

    async def compare_cpu(self, ending: Status, pairs: int) -> Comparison:
        """Blocks in turns; who begins changes with every pair."""
        engine: list[float] = []
        by_hand: list[float] = []
        turns = [(ORDER, engine), (BY_HAND, by_hand)]
        for kind, _ in turns:
            await self.cpu_of_block(kind, ending)
        for _ in range(pairs):
            for kind, figures in turns:
                figures.append(await self.cpu_of_block(kind, ending) * 1000)
            turns.reverse()
        ratios = sorted(ours / theirs for ours, theirs in zip(engine, by_hand, strict=True))
        # The order statistics between which a median lies, as the binomial distribution has it.
        outer = max(int(pairs / 2 - 0.98 * math.sqrt(pairs)), 0)
        return Comparison(
            ending=ending,
            name="worker CPU",
            unit="ms",
            engine=statistics.median(engine),
            by_hand=statistics.median(by_hand),
            ratio=statistics.median(ratios),
            low=ratios[outer],
            high=ratios[-1 - outer],
            limit=CPU_LIMIT,
        )


async def compare_histories(client: Client, ending: Status) -> list[Comparison]:
    """Histories of orders alone, whose steps and rows never race."""
    engine = await shortest_history(client, ORDER, ending, rounds=HISTORIES)
    by_hand = await shortest_history(client, BY_HAND, ending, rounds=HISTORIES)

    def compared(name: str, unit: str, ours: int, theirs: int, limit: float | None) -> Comparison:
        ratio = ours / theirs
        return Comparison(ending, name, unit, ours, theirs, ratio, ratio, ratio, limit)

    return [
        compared("history events", "", engine.events, by_hand.events, HISTORY_LIMIT),
        compared(
            "workflow tasks", "", engine.workflow_tasks, by_hand.workflow_tasks, HISTORY_LIMIT
        ),
        compared("history size", "bytes", engine.size, by_hand.size, None),
    ]


async def measure(settings: Settings, block: int, pairs: int) -> AsyncIterator[Comparison]:
    """All figures, as they come."""
    async with Embedded(settings, [temporal_server(settings)]):
        client = await connect(settings, plugins=[SagaPlugin()])
        await register_search_attributes(client)
        for ending in ENDINGS:
            for comparison in await compare_histories(client, ending):
                yield comparison
        async with CountedWorker.started() as worker:
            field = Field(client, Sagas(client, settings.saga_task_queue), worker, block)
            for ending in ENDINGS:
                yield await field.compare_cpu(ending, pairs)


def lines_of(comparison: Comparison) -> Iterator[str]:
    """What a person reads."""
    it = comparison
    digits = 2 if it.unit == "ms" else 0
    figures = f"{it.engine:>10.{digits}f}{it.by_hand:>10.{digits}f} {it.unit:<6}"
    ratio = f"{it.ratio:>6.3f} ({it.low:.3f} to {it.high:.3f})"
    limit = "" if it.limit is None else f"  limit {it.limit:g}"
    broken = "" if it.kept else "  BROKEN"
    yield f"{it.ending:<12}{it.name:<16}{figures}{ratio}{limit}{broken}"


async def compare(options: argparse.Namespace, settings: Settings) -> list[Comparison]:
    """Measure, and tell what is known as soon as it is."""
    if not options.json:
        print(f"{'an order':<28}{'engine':>10}{'by hand':>10} {'':<6} ratio (95 %)")
    found = []
    async for comparison in measure(settings, options.block, options.pairs):
        found.append(comparison)
        if not options.json:
            print(*lines_of(comparison), sep="\n", flush=True)
    return found


def main() -> int:
    """Parse the options and measure; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__)
    parser.add_argument("--block", type=int, default=25, help="orders a block")
    parser.add_argument("--pairs", type=int, default=24, help="blocks a side and ending")
    parser.add_argument("--json", action="store_true", help="write one JSON document to stdout")
    options = parser.parse_args()
    if options.block < 1 or options.pairs < 2:
        parser.error("give at least one order a block and two pairs")
    try:
        with own_home() as settings:
            found = asyncio.run(compare(options, settings))
    except KeyboardInterrupt:
        return 130
    except _PROBLEMS as problem:
        sys.stderr.write(f"bench-engine: {problem}\n")
        return 1
    load = [round(it, 2) for it in os.getloadavg()]
    if options.json:
        told = [{**asdict(comparison), "kept": comparison.kept} for comparison in found]
        print(json.dumps({"comparisons": told, "load_average": load}, indent=2))
    else:
        print(f"load average {load[0]} {load[1]} {load[2]} on {os.cpu_count()} processors")
    return 0 if all(comparison.kept for comparison in found) else 1


if __name__ == "__main__":
    sys.exit(main())
