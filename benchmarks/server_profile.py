"""What the embedded Temporal server spends an order's CPU on: Linux, with `perf` on the PATH.

python -m benchmarks.server_profile [--lane stepwise|express] [--orders 150] [--at-once 50]

It samples the server while orders are carried out as in `make bench`, and prints two tables of
shares: by what kind of code was running, and by what it was running for.
"""

import argparse
import asyncio
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from benchmarks.contenders.serving import Task
from benchmarks.contest import CONTENDERS, staged
from benchmarks.crowd import MeasurementFailed
from benchmarks.go_symbols import GoSymbols, NoGoTable
from demo.home import HomeTaken
from runtime.dev_server import find_binary
from runtime.errors import RuntimeProblem

Stack = tuple[str, ...]
"""Functions, the innermost first."""

KINDS: Mapping[str, Collection[str]] = {
    "garbage collection": ("gcBgMarkWorker", "gcAssist", "bgsweep", "gcStart", "gcMarkDone"),
    "growing stacks": ("runtime.newstack", "runtime.copystack"),
    "allocating": ("runtime.mallocgc", "runtime.growslice"),
    "scheduling goroutines": ("runtime.schedule", "runtime.findRunnable", "runtime.mcall"),
    "SQLite, parsing a statement": ("sqlite3Prepare",),
    "SQLite, all else": ("modernc.org/",),
    "database/sql and sqlx": ("sqlx", "database/sql"),
}
"""The first that a stack has something of."""
NEAR: Mapping[str, Collection[str]] = {
    "protobuf": ("google.golang.org/protobuf",),
    "gRPC and network": ("google.golang.org/grpc", "golang.org/x/net", "net.(*"),
}
"""Else the first that its innermost functions have something of: all handlers are within gRPC."""
_INNERMOST = 12
PURPOSES: Mapping[str, Collection[str]] = {
    "visibility tasks": ("visibilityQueueTaskExecutor",),
    "transfer tasks": ("transferQueueActiveTaskExecutor",),
    "timer tasks": ("timerQueueActiveTaskExecutor",),
    "queues, all else": ("service/history/queues.",),
    "RespondWorkflowTaskCompleted": ("RespondWorkflowTaskCompleted",),
    "RecordWorkflowTaskStarted": ("RecordWorkflowTaskStarted",),
    "RespondActivityTaskCompleted": ("RespondActivityTaskCompleted",),
    "RecordActivityTaskStarted": ("RecordActivityTaskStarted",),
    "StartWorkflowExecution": ("StartWorkflowExecution",),
    "matching": ("service/matching",),
    "garbage collection": ("gcBgMarkWorker", "bgsweep"),
    "gRPC, all else": ("google.golang.org/grpc",),
}
"""The same, by what it is done for."""


def stacks(recorded: str, program: Path, symbols: GoSymbols) -> Iterator[Stack]:
    """Those that `perf script` tells."""
    for sample in recorded.strip().split("\n\n"):
        frames = (line.split(None, 2) for line in sample.splitlines()[1:])
        yield tuple(
            symbols.at(int(frame[0], 16)) if str(program) in frame[-1] else frame[1]
            for frame in frames
        )


def kind(stack: Stack) -> str:
    """What kind of code was running."""
    return _first(stack, KINDS) or _first(stack[:_INNERMOST], NEAR) or "the server's own code"


def purpose(stack: Stack) -> str:
    """What it was running for."""
    return _first(stack, PURPOSES) or "other"


def _first(stack: Stack, groups: Mapping[str, Collection[str]]) -> str | None:
    told = "\n".join(stack)
    return next((it for it, marks in groups.items() if any(m in told for m in marks)), None)


async def record(lane: str, orders: int, at_once: int, folder: Path) -> tuple[str, Path]:
    """Carry out orders beside perf; what it has recorded, and the program it looked at."""
    contender = next(it for it in CONTENDERS if it.name == lane)
    output = folder / "perf.data"
    async with staged([contender], folder, services=False) as stage:
        process, task = stage.processes[lane], Task(orders, at_once)
        await process.carry_out(replace(task, orders=at_once))  # Neither is new afterwards.
        perf = await asyncio.create_subprocess_exec(
            *("perf", "record", "--freq", "199", "-g", "--output", str(output)),
            *("--pid", str(stage.servers["temporal"].pid)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            await process.carry_out(task)
        finally:
            if perf.returncode is None:
                perf.send_signal(signal.SIGINT)
            await perf.wait()
        if not output.exists():
            raise MeasurementFailed("perf has recorded nothing: may this user trace processes?")
        program = (await find_binary(folder)).resolve()
    argv = ["perf", "script", "--input", str(output), "--fields", "comm,tid,ip,sym,dso"]
    told = await asyncio.to_thread(
        subprocess.run, argv, check=True, capture_output=True, text=True, errors="replace"
    )
    return told.stdout, program


def main() -> int:
    """Print both tables; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lane", choices=("stepwise", "express"), default="stepwise")
    parser.add_argument("--orders", type=int, default=150)
    parser.add_argument("--at-once", type=int, default=50)
    given = parser.parse_args()
    if shutil.which("perf") is None:
        sys.stderr.write("server profile: not run, there is no perf on the PATH\n")
        return 1
    try:
        with tempfile.TemporaryDirectory(prefix="sp") as folder:
            recording = record(given.lane, given.orders, given.at_once, Path(folder))
            recorded, program = asyncio.run(recording)
            found = list(stacks(recorded, program, GoSymbols.read(program)))
    except (HomeTaken, MeasurementFailed, NoGoTable, RuntimeProblem) as problem:
        sys.stderr.write(f"server profile: {problem}\n")
        return 1
    print(f"{len(found)} samples, {given.orders} orders, {given.lane}, {given.at_once} at once")
    for title, group in (("what", kind), ("for what", purpose)):
        print(f"\n{title}")
        for name, count in Counter(map(group, found)).most_common():
            print(f"{100 * count / len(found):6.1f} %  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
