"""Measure publishing and consuming beside the bare client libraries: `make bench-events`.

python -m benchmarks.events [--broker NAME]... [--messages 3000] [--rounds 8] [--memory 100000]
                            [--json]

Both sides run in one process, in turns, on the same broker and the same PostgreSQL; what each does
is told in benchmarks/event_load.py and benchmarks/bare_*.py. RabbitMQ is the machine's own, a node
like those of the tests. SNS and SQS are moto's server, whose own time is in the figures: they tell
nothing of AWS. Kafka is tansu, which keeps everything in its memory. Exit code: 0, or 1 when a
limit is broken; a broker that is not here is not run.
"""

import argparse
import asyncio
import gc
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.bare_kafka import BareKafka
from benchmarks.bare_rabbitmq import BareRabbitmq
from benchmarks.bare_sns_sqs import BareSnsSqs
from benchmarks.crowd import MeasurementFailed
from benchmarks.event_load import AT_ONCE, Books, Ours, Side, new_events
from benchmarks.event_memory import memory
from benchmarks.event_servers import NotRun, served
from benchmarks.figure import Figure, show
from benchmarks.read_figures import postgres
from runtime.errors import RuntimeProblem

RATIO_LIMIT = 0.8
"""Ours over bare, of messages a second, at least."""

_PROBLEMS = (MeasurementFailed, RuntimeProblem)

Bare = Callable[[str], AbstractAsyncContextManager[Side]]


@dataclass(frozen=True)
class Measured:
    """A broker, and what it is measured with."""

    label: str
    bare: Bare
    library: str
    share: float = 1.0
    """Of the messages that are asked for; a slow one gets fewer."""


BROKERS = {
    "rabbitmq": Measured("RabbitMQ", BareRabbitmq.opened, "aio-pika"),
    "kafka": Measured("Kafka on tansu", BareKafka.opened, "confluent-kafka"),
    "sns-sqs": Measured("SNS/SQS on moto", BareSnsSqs.opened, "aiobotocore", 0.2),
}


@dataclass(frozen=True)
class Rate:
    """How fast it went, in one round."""

    a_second: float
    cpu: float
    """Milliseconds of this process's CPU per message."""


@dataclass(frozen=True)
class Rates:
    """Those of one round and side."""

    publish: Rate
    consume: Rate


@dataclass(frozen=True)
class Comparison:
    """One figure of both sides."""

    broker: str
    name: str
    unit: str
    ours: float
    bare: float
    ratio: float
    """The median over all rounds."""
    low: float
    high: float
    """The smallest and the largest of a round."""
    limit: float | None = None
    """The least that is enough; None for what is told as information."""

    @property
    def kept(self) -> bool:
        """Whether the limit is."""
        return self.limit is None or self.ratio >= self.limit

    @classmethod
    def of(
        cls,
        broker: str,
        name: str,
        unit: str,
        pairs: list[tuple[float, float]],
        limit: float | None = None,
    ) -> "Comparison":
        """Of ours and bare, round by round."""
        ratios = [ours / bare for ours, bare in pairs]
        return cls(
            broker=broker,
            name=name,
            unit=unit,
            ours=statistics.median(it for it, _ in pairs),
            bare=statistics.median(it for _, it in pairs),
            ratio=statistics.median(ratios),
            low=min(ratios),
            high=max(ratios),
            limit=limit,
        )

    def __str__(self) -> str:
        digits = 2 if self.unit == "ms" else 0
        figures = f"{self.ours:>10.{digits}f}{self.bare:>10.{digits}f} {self.unit:<11}"
        ratio = f"{self.ratio:>6.3f} ({self.low:.3f} to {self.high:.3f})"
        limit = "" if self.limit is None else f"  at least {self.limit:g}"
        broken = "" if self.kept else "  BROKEN"
        return f"{self.broker:<17}{self.name:<14}{figures}{ratio}{limit}{broken}"


class Stopwatch:
    """Wall and CPU time since it was made."""

    def __init__(self) -> None:
        gc.collect()
        self._cpu, self._began = time.process_time(), time.perf_counter()

    def rate(self, count: int) -> Rate:
        """Of so many messages."""
        took, cpu = time.perf_counter() - self._began, time.process_time() - self._cpu
        return Rate(count / took, cpu / count * 1000)


async def once(side: Side, books: Books, count: int) -> Rates:
    """Publish so many, then consume them: the first tenth is not counted, as nobody waits yet."""
    messages = [side.made(it) for it in new_events(count)]
    watch = Stopwatch()
    for start in range(0, count, AT_ONCE):
        await side.publish(messages[start : start + AT_ONCE])
    published, before, warm = watch.rate(count), books.stored, count // 10
    async with side.consuming(books):
        await books.until(before + warm)
        watch = Stopwatch()
        begun = books.stored
        await books.until(before + count)
        consumed = watch.rate(books.stored - begun)
    if books.stored != before + count:
        raise MeasurementFailed(f"{books.stored - before} of {count} messages came")
    return Rates(published, consumed)


async def compare(
    it: Measured, url: str, books: Books, count: int, rounds: int
) -> list[Comparison]:
    """Both sides in turns; who begins changes with every round, and the first is not counted."""
    async with Ours.opened(url) as ours, it.bare(url) as bare:
        pairs = []
        for number in range(rounds + 1):
            if number % 2:
                its = await once(bare, books, count)
                mine = await once(ours, books, count)
            else:
                mine = await once(ours, books, count)
                its = await once(bare, books, count)
            pairs.append((mine, its))
    publish = [(ours.publish, bare.publish) for ours, bare in pairs[1:]]
    consume = [(ours.consume, bare.consume) for ours, bare in pairs[1:]]
    return [*_compared(it.label, "publish", publish), *_compared(it.label, "consume", consume)]


def _compared(broker: str, name: str, pairs: list[tuple[Rate, Rate]]) -> Iterator[Comparison]:
    speeds = [(ours.a_second, bare.a_second) for ours, bare in pairs]
    yield Comparison.of(broker, name, "messages/s", speeds, RATIO_LIMIT)
    cpu = [(ours.cpu, bare.cpu) for ours, bare in pairs]
    yield Comparison.of(broker, f"  {name} CPU", "ms", cpu)


async def measure(
    options: argparse.Namespace, database: str
) -> AsyncIterator[Comparison | Figure | str]:
    """All figures as they come; a text for what is not run."""
    for name in options.broker or BROKERS:
        it = BROKERS[name]
        count = max(int(options.messages * it.share), 100)
        try:
            async with served(name) as url:
                async with Books.opened(database) as books:
                    for comparison in await compare(it, url, books, count, options.rounds):
                        yield comparison
                if options.memory:
                    async for figure in memory(it.label, url, database, options.memory):
                        yield figure
        except NotRun as missing:
            yield f"{it.label}: not run, {missing}"


async def run(options: argparse.Namespace) -> list[Comparison | Figure | str]:
    """Measure, and tell what is known as soon as it is."""
    found = []
    if not options.json:
        print(f"{'':<31}{'ours':>10}{'bare':>10} {'':<11} ratio (of all rounds)")
    with tempfile.TemporaryDirectory(prefix="pg") as folder, postgres(Path(folder)) as database:
        async for figure in measure(options, database):
            found.append(figure)
            if options.json:
                continue
            if isinstance(figure, Figure):
                show(figure)
            else:
                print(figure, flush=True)
    return found


def main() -> int:
    """Parse the options and measure; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.events", description=__doc__)
    parser.add_argument("--broker", action="append", choices=BROKERS, help="default: all")
    parser.add_argument("--messages", type=int, default=3000, help="a side and round")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--memory", type=int, default=100_000, help="messages; 0 leaves it out")
    parser.add_argument("--json", action="store_true", help="write one JSON document to stdout")
    options = parser.parse_args()
    if options.messages < 100 or options.rounds < 1 or not 0 <= options.memory != 1:
        parser.error("give at least 100 messages and one round")
    try:
        found = asyncio.run(run(options))
    except KeyboardInterrupt:
        return 130
    except _PROBLEMS as problem:
        sys.stderr.write(f"bench-events: {problem}\n")
        return 1
    load = [round(it, 2) for it in os.getloadavg()]
    told = [it for it in found if not isinstance(it, str)]
    if options.json:
        document = {
            "comparisons": [asdict(it) | {"kept": it.kept} for it in told if _compares(it)],
            "figures": [asdict(it) | {"kept": it.kept} for it in told if not _compares(it)],
            "not_run": [it for it in found if isinstance(it, str)],
            "load_average": load,
        }
        print(json.dumps(document, indent=2))
    else:
        print(f"load average {load[0]} {load[1]} {load[2]} on {os.cpu_count()} processors")
    return 0 if all(it.kept for it in told) else 1


def _compares(figure: Comparison | Figure) -> bool:
    return isinstance(figure, Comparison)


if __name__ == "__main__":
    sys.exit(main())
