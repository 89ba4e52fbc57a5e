"""What a worker's Python thread spends an order's time on: with `py-spy` on the PATH.

python -m benchmarks.worker_profile [--lane stepwise|express] [--orders 300] [--at-once 50]

It samples whoever holds the interpreter while orders are carried out as in `make bench`, and prints
two tables of shares: by whose code was running, and by what it was running for.
"""

import argparse
import asyncio
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from benchmarks.contenders.serving import Task
from benchmarks.contest import CONTENDERS, staged
from benchmarks.crowd import MeasurementFailed
from benchmarks.stage import ContenderProcess
from demo.home import HomeTaken
from runtime.errors import RuntimeProblem

RATE = 400
"""Samples a second."""
OWNERS: Mapping[str, Collection[str]] = {
    "the saga engine": ("(saga/",),
    "the order saga": ("(workflows/", "(activities/", "(contracts/", "(runtime/"),
    "read model": ("(read_model/",),
    "Temporal SDK": ("(temporalio/",),
    "SQLAlchemy and aiosqlite": ("(sqlalchemy/", "(aiosqlite/"),
    "the customers and participants": ("(benchmarks/",),
    "asyncio": ("(asyncio/",),
}
"""Whoever the innermost frame is of, libraries of no one's own left aside."""
PURPOSES: Mapping[str, Collection[str]] = {
    "customers: starts and results": ("carry_out.<locals>.customer",),
    "payloads of workflow tasks, looked at": ("decode_activation", "encode_completion"),
    "sagas in their sandbox": ("_Instance.activate", "_create_workflow_instance"),
    "workflow tasks, all else": ("_handle_activation",),
    "rows": ("read_model/", "sqlalchemy/", "aiosqlite/"),
    "activities": ("_handle_start_activity_task", "saga/express.py", "benchmarks/instant.py"),
    "asyncio, all else": ("BaseEventLoop._run_once", "Handle._run"),
}
"""The first that a stack has something of."""


def owner(stack: str) -> str:
    """Whose code was running."""
    for frame in reversed(stack.split(";")):
        for name, marks in OWNERS.items():
            if any(mark in frame for mark in marks):
                return name
    return "other"


def purpose(stack: str) -> str:
    """What it was running for."""
    found = (name for name, marks in PURPOSES.items() if any(mark in stack for mark in marks))
    return next(found, "other")


def counted(recorded: str) -> Counter[str]:
    """How often each stack was seen, outermost frame first, in py-spy's raw format."""
    seen: Counter[str] = Counter()
    for line in recorded.splitlines():
        stack, _, count = line.rpartition(" ")
        seen[stack] += int(count)
    return seen


async def record(lane: str, orders: int, at_once: int, folder: Path) -> str:
    """Carry out orders beside py-spy; what it has recorded."""
    contender = next(it for it in CONTENDERS if it.name == lane)
    output = folder / "stacks"
    async with staged([contender], folder, services=False) as stage:
        process, task = stage.processes[lane], Task(orders, at_once)
        assert isinstance(process, ContenderProcess)
        await process.carry_out(replace(task, orders=at_once))  # Neither is new afterwards.
        spy = await asyncio.create_subprocess_exec(
            *("py-spy", "record", "--gil", "--format", "raw", "--rate", str(RATE)),
            *("--duration", "3600", "--output", str(output), "--pid", str(process.tree.pid)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            await process.carry_out(task)
        finally:
            if spy.returncode is None:
                spy.send_signal(signal.SIGINT)
            await spy.wait()
    if not output.exists():
        raise MeasurementFailed("py-spy has recorded nothing: may this user trace processes?")
    return output.read_text()


def main() -> int:
    """Print both tables; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lane", choices=("stepwise", "express"), default="stepwise")
    parser.add_argument("--orders", type=int, default=300)
    parser.add_argument("--at-once", type=int, default=50)
    given = parser.parse_args()
    if shutil.which("py-spy") is None:
        sys.stderr.write("worker profile: not run, there is no py-spy on the PATH\n")
        return 1
    try:
        with tempfile.TemporaryDirectory(prefix="wp") as folder:
            recording = record(given.lane, given.orders, given.at_once, Path(folder))
            found = counted(asyncio.run(recording))
    except (HomeTaken, MeasurementFailed, RuntimeProblem) as problem:
        sys.stderr.write(f"worker profile: {problem}\n")
        return 1
    samples = found.total()
    print(f"{samples} samples, {given.orders} orders, {given.lane}, {given.at_once} at once")
    for title, group in (("whose", owner), ("for what", purpose)):
        shares: Counter[str] = Counter()
        for stack, count in found.items():
            shares[group(stack)] += count
        print(f"\n{title}")
        for name, count in shares.most_common():
            print(f"{100 * count / samples:6.1f} %  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
