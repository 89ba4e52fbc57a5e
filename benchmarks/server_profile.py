"""What the embedded Temporal server spends an order's CPU on: Linux, with `perf` on the PATH.

python -m benchmarks.server_profile [--lane stepwise|express] [--orders 150] [--at-once 50]

It samples the server while orders are carried out as in `make bench`, and prints two tables of
shares: by what kind of code was running, and by what it was running for.
"""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.contest import Stage
from benchmarks.crowd import MeasurementFailed
from benchmarks.go_symbols import GoSymbols, NoGoTable
from benchmarks.sampling import Profiler
from runtime.dev_server import find_binary

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


def _argv(stage: Stage, _: str, output: Path) -> Sequence[str]:
    pid = str(stage.servers["temporal"].pid)
    return ["record", "--freq", "199", "-g", "--output", str(output), "--pid", pid]


def _read(output: Path) -> Counter[Stack]:
    program = asyncio.run(find_binary(output.parent)).resolve()
    argv = ["perf", "script", "--input", str(output), "--fields", "comm,tid,ip,sym,dso"]
    told = subprocess.run(argv, check=True, capture_output=True, text=True, errors="replace")
    try:
        return Counter(stacks(told.stdout, program, GoSymbols.read(program)))
    except NoGoTable as problem:
        raise MeasurementFailed(str(problem)) from problem


PROFILER = Profiler(
    of="server",
    program="perf",
    orders=150,
    argv=_argv,
    read=_read,
    tables={"what": kind, "for what": purpose},
)

if __name__ == "__main__":
    sys.exit(PROFILER.main(__doc__.splitlines()[0]))
