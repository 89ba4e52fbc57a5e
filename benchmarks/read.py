"""Measure the read side on the embedded default and on PostgreSQL: `make bench-read`.

python -m benchmarks.read [--orders 1500] [--rows 1000000] [--rounds 2000] [--json]

The rebuild reads histories of real orders into an empty database, in this process. Exit code: 0,
or 1 when a limit is broken.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import psutil

from benchmarks.crowd import SKU, Crowd, MeasurementFailed
from benchmarks.figure import Figure, conclude, show
from benchmarks.read_figures import database_on, fill, one_log, postgres, projection, queries
from demo.home import HomeTaken, own_home, stop_leftovers
from demo.participants import Participants, ServiceTrouble
from demo.worker_process import TooLate, WorkerFailed, WorkerProcess
from read_model.rebuild import Rebuild, Report
from read_model.sources import Position, Wanted, everything
from runtime.errors import RuntimeProblem
from runtime.record import read_record
from runtime.settings import Settings
from saga.history import read_saga

REBUILD_LIMIT, QUERY_LIMIT, PROJECTION_LIMIT = 300.0, 5.0, 3.0
"""Sagas a second at least; milliseconds of the 99th percentile, of the median at most."""

_PROBLEMS = (HomeTaken, MeasurementFailed, RuntimeProblem, ServiceTrouble, TooLate, WorkerFailed)


async def rebuilds(settings: Settings, orders: int) -> AsyncIterator[Figure]:
    """From nothing, and once more when nothing differs; then the log of one order is kept."""
    crowd = await Crowd.gather(settings)
    await crowd.order(orders, at_once=50)
    server = psutil.Process(read_record(settings).processes["temporal"].pid)
    async with database_on(f"sqlite:///{settings.saga_home / 'anew.db'}") as engine:
        for name, limit in (("rebuild", REBUILD_LIMIT), ("compare, nothing differs", None)):
            ours, theirs, began = time.process_time(), _cpu(server), time.perf_counter()
            whole = Report()
            rebuilding = Rebuild(engine, partial(read_saga, crowd.client))
            pages = everything(crowd.client, engine, Wanted(), Position())
            async for _, report in rebuilding.pages(pages):
                whole.add(report)
            took = time.perf_counter() - began
            if whole.sagas < orders or whole.repaired != (orders if limit else 0):
                raise MeasurementFailed(f"{whole.sagas} looked at, {whole.repaired} repaired")
            yield Figure(name, orders / took, "sagas/s", limit, at_least=True)
            yield Figure("  our CPU", 100 * (time.process_time() - ours) / took, "% of one")
            yield Figure("  the server's CPU", 100 * (_cpu(server) - theirs) / took, "% of one")


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def measure(settings: Settings, orders: int, rows: int, rounds: int) -> AsyncIterator[Figure]:
    """All figures, as they come."""
    async for figure in rebuilds(settings, orders):
        yield figure
    url = f"sqlite:///{settings.saga_home / 'anew.db'}"
    log = await one_log(url)
    with tempfile.TemporaryDirectory(prefix="pg") as folder, postgres(Path(folder)) as other:
        for name, at in (("SQLite", url), ("PostgreSQL", other)):
            async with database_on(at) as engine:
                took = await projection(engine, log, rounds)
            what = f"project {len(log)} events and their row, {name}"
            yield Figure(f"{what}, median", took.median, "ms", PROJECTION_LIMIT)
            yield Figure("  p99", took.p99, "ms")
        async with database_on(other) as engine:
            await fill(engine, rows)
            for name, took in await queries(engine, rows, rounds):
                yield Figure(f"{name} of {rows}, PostgreSQL, p99", took.p99, "ms", QUERY_LIMIT)
                yield Figure("  median", took.median, "ms")


async def run(settings: Settings, options: argparse.Namespace) -> list[Figure]:
    """Measure with a worker behind, and show the figures unless a document is wanted."""
    worker = WorkerProcess(settings.saga_home / "worker.log")
    figures = []
    try:
        await asyncio.to_thread(worker.start)
        await asyncio.to_thread(Participants(settings).stock, SKU, options.orders)
        async for figure in measure(settings, options.orders, options.rows, options.rounds):
            figures.append(figure)
            if not options.json:
                show(figure)
    finally:
        await asyncio.to_thread(worker.stop)
    return figures


def main() -> int:
    """Parse the options and measure; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.read", description=__doc__)
    parser.add_argument("--orders", type=int, default=1500, help="whose rows are rebuilt")
    parser.add_argument("--rows", type=int, default=1_000_000, help="that queries are asked of")
    parser.add_argument("--rounds", type=int, default=2000, help="of each query and projection")
    parser.add_argument("--json", action="store_true", help="write one JSON document to stdout")
    options = parser.parse_args()
    if options.orders < 1 or options.rows < 100 or options.rounds < 10:
        parser.error("give at least 1 order, 100 rows and 10 rounds")
    try:
        with own_home() as settings:
            try:
                figures = asyncio.run(run(settings, options))
            finally:
                stop_leftovers(settings)
    except KeyboardInterrupt:
        return 130
    except _PROBLEMS as problem:
        sys.stderr.write(f"bench-read: {problem}\n")
        return 1
    return conclude(figures, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
