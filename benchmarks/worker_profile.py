"""What a worker's Python thread spends an order's time on: with `py-spy` on the PATH.

python -m benchmarks.worker_profile [--lane stepwise|express] [--orders 300] [--at-once 50]

It samples whoever holds the interpreter while orders are carried out as in `make bench`, and prints
two tables of shares: by whose code was running, and by what it was running for.
"""

import sys
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from benchmarks.contest import Stage
from benchmarks.sampling import Profiler
from benchmarks.stage import ContenderProcess

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


def _argv(stage: Stage, lane: str, output: Path) -> Sequence[str]:
    process = stage.processes[lane]
    assert isinstance(process, ContenderProcess)
    return [
        *("record", "--gil", "--format", "raw", "--rate", str(RATE), "--duration", "3600"),
        *("--output", str(output), "--pid", str(process.tree.pid)),
    ]


PROFILER = Profiler(
    of="worker",
    program="py-spy",
    orders=300,
    argv=_argv,
    read=lambda output: counted(output.read_text()),
    tables={"whose": owner, "for what": purpose},
)

if __name__ == "__main__":
    sys.exit(PROFILER.main(__doc__.splitlines()[0]))
