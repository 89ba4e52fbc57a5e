"""Measure the order saga on the embedded default: `make bench-order`.

python -m benchmarks.order [--orders 1000] [--rounds 20] [--json]

It works on free ports and in a folder of its own. Exit code: 0, or 1 when a limit is broken.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from benchmarks.crowd import SKU, Crowd, MeasurementFailed
from benchmarks.figure import Figure, conclude, show
from benchmarks.worker_size import Size, sampling, size_of
from cli.audit import audit_with
from demo.home import ROOT, HomeTaken, own_home, stop_leftovers
from demo.participants import Participants, ServiceTrouble
from demo.worker_process import TooLate, WorkerFailed, WorkerProcess
from runtime.errors import RuntimeProblem
from runtime.settings import Settings

START_LIMIT, PLACE_LIMIT, MEMORY_LIMIT = 6.0, 0.6, 250.0
"""Seconds, seconds, megabytes."""
OPEN_FILES_SLACK, THREADS_SLACK, TASKS_SLACK = 8, 8, 4
"""Growth that is none: idle connections, and executors of bounded size that are still filling."""
WHOLE = 1000
"""The orders of a run whose growth is judged; in a shorter one pools are still filling up."""
REST = 12.0
"""Seconds until a worker without orders has let go; the SDK's idle threads stay for ten."""
COMMAND_TIMEOUT = 60.0

# The modules that `place-order --wait` imports, without running it.
_IMPORTS = "import gc; gc.disable(); import cli.app, cli.order_input, cli.start, cli.values"
_PROBLEMS = (HomeTaken, MeasurementFailed, RuntimeProblem, ServiceTrouble, TooLate, WorkerFailed)


def measure(settings: Settings, orders: int, rounds: int) -> Iterator[Figure]:
    """All figures, as they come."""
    worker = WorkerProcess(settings.saga_home / "worker.log")
    try:
        yield Figure("worker.py to ready", worker.start(), "s", START_LIMIT)
        yield from lone_orders(rounds)
        worker.stop()
        again = worker.start(program=("-m", "benchmarks.watched_worker"))
        yield Figure("worker to ready, home used before", again, "s")
        Participants(settings).stock(SKU, orders)
        yield from asyncio.run(many_orders(settings, worker.pid, orders))
    finally:
        worker.stop()
        stop_leftovers(settings)


def lone_orders(rounds: int) -> Iterator[Figure]:
    """What a person waits for an order, above the start of any Python program."""
    bare, imports, placing = [], [], []
    order = ["--customer", "ada", "--item", f"{SKU}=1@12.50"]
    order += ["--card", "tok_visa", "--ship-to", "1 Main Street, Springfield", "--wait"]
    for _ in range(rounds):
        bare.append(wall_time("-c", "pass"))
        imports.append(wall_time("-c", _IMPORTS))
        placing.append(wall_time(str(ROOT / "starter.py"), "place-order", *order))
    start = statistics.median(bare)
    whole = statistics.median(placing) - start
    yield Figure("place-order --wait, alone", whole, "s", PLACE_LIMIT)
    yield Figure("  of which its imports", statistics.median(imports) - start, "s")
    yield Figure("  slowest", max(placing) - start, "s")


async def many_orders(settings: Settings, pid: int, orders: int) -> list[Figure]:
    """Sagas a second, and what they leave behind in the worker.

    The first fifth warms the worker up, to all the concurrency that the rest has.
    """
    crowd = await Crowd.gather(settings)
    few, some = orders // 25, orders * 2 // 25
    early = few + 2 * some
    rest = REST if orders >= WHOLE else 0.0
    async with sampling(pid) as peak:
        alone = await crowd.order(few, at_once=1)
        ten = await crowd.order(some, at_once=10)
        await crowd.order(some, at_once=50)
        await asyncio.sleep(rest)
        before = await size_of(pid, settings.saga_home)
        fifty = await crowd.order(orders - early, at_once=50)
        await asyncio.sleep(rest)
        after = await size_of(pid, settings.saga_home)
    audit = await audit_with(settings)
    if not audit.clean:
        raise MeasurementFailed(f"the audit found {audit.findings[0].message}")
    return [
        Figure("1 at once", alone, "sagas/s"),
        Figure("10 at once", ten, "sagas/s"),
        Figure("50 at once", fifty, "sagas/s"),
        Figure(f"worker's memory over {orders} orders", peak.memory, "MB", MEMORY_LIMIT),
        Figure(f"  at rest after order {early}", before.memory, "MB"),
        Figure(f"  at rest after order {orders}", after.memory, "MB"),
        *growth(before, after, early, judged=orders >= WHOLE),
    ]


def growth(before: Size, after: Size, early: int, *, judged: bool) -> Iterator[Figure]:
    """What a worker at rest has more than after its early orders."""
    for what, old, new, slack in (
        ("open files", before.open_files, after.open_files, OPEN_FILES_SLACK),
        ("threads", before.threads, after.threads, THREADS_SLACK),
        ("asyncio tasks", before.tasks, after.tasks, TASKS_SLACK),
    ):
        name = f"growth of {what} ({old} after order {early})"
        yield Figure(name, new - old, "", slack if judged else None)


def wall_time(*arguments: str) -> float:
    """Seconds that a Python program takes; raises MeasurementFailed when it fails or hangs."""
    argv = [sys.executable, *arguments]
    began = time.monotonic()
    try:
        subprocess.run(
            argv, cwd=ROOT, capture_output=True, text=True, check=True, timeout=COMMAND_TIMEOUT
        )
    except subprocess.TimeoutExpired:
        raise MeasurementFailed(f"{argv} has not ended after {COMMAND_TIMEOUT:.0f} s") from None
    except subprocess.CalledProcessError as error:
        raise MeasurementFailed(f"{argv} ended with {error.returncode}: {error.stderr}") from None
    return time.monotonic() - began


def main() -> int:
    """Parse the options and measure; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.order", description=__doc__)
    parser.add_argument("--orders", type=int, default=1000, help="how many at once and in all")
    parser.add_argument("--rounds", type=int, default=20, help="how many alone")
    parser.add_argument("--json", action="store_true", help="write one JSON document to stdout")
    options = parser.parse_args()
    if options.orders < 50 or options.rounds < 1:
        parser.error("give at least 50 orders and one round")
    figures = []
    try:
        with own_home() as settings:
            for figure in measure(settings, options.orders, options.rounds):
                figures.append(figure)
                if not options.json:
                    show(figure)
    except KeyboardInterrupt:
        return 130
    except _PROBLEMS as problem:
        sys.stderr.write(f"bench-order: {problem}\n")
        return 1
    return conclude(figures, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
