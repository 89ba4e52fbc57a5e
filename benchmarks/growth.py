"""Measure what more of everything costs: `make bench-growth`.

python -m benchmarks.growth [--closed 1000,10000,50000] [--real 1000] [--open 1000]
    [--workers 1,2,4] [--rows 1000000] [--backlog 5000] [--parts closed,open,workers,rows,backlog]
    [--orders 100] [--rounds 5] [--quick] [--json]

Each figure stands beside that of something small, measured in turns with it: a store of Temporal
with hardly anything in it, one worker, a read database of a hundred rows, no backlog. Only the
ratios say something on a machine that does other things too. Participants answer at once and live
in the worker's process, and so do the customers, but those who meet a backlog.

More closed orders than --real are not carried out: rows of those that were are copied in the file
of the embedded server, so that its store is as large as if they had been.

What is known is written to build/growth.json with each line. Exit code: 0 also when a goal is
missed, since the table says so; 1 when it could not be measured.
"""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import growth_backlog, growth_parts, growth_rows
from benchmarks.contenders.serving import Task
from benchmarks.crowd import MeasurementFailed
from benchmarks.grown import HEADING, Report
from demo.home import ROOT, HomeTaken, own_home
from runtime.errors import RuntimeProblem

PARTS = ("closed", "open", "workers", "rows", "backlog")
_PROBLEMS = (HomeTaken, MeasurementFailed, RuntimeProblem)


async def measure(options: argparse.Namespace, folder: Path, report: Report) -> None:
    """All parts that are wanted, as they come."""
    running = asyncio.current_task()
    assert running is not None
    # As Ctrl-C does: what was started must not outlive this.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    task = Task(options.orders, min(options.at_once, options.orders), rows="own")
    rounds = options.rounds
    for part in options.parts:
        sys.stderr.write(f"{part}\n")
        match part:
            case "closed":
                await growth_parts.closed(
                    folder, options.closed, options.real, task, rounds, report
                )
            case "open":
                await growth_parts.open_ones(folder, options.open, task, rounds, report)
            case "workers":
                await growth_parts.workers(folder, options.workers, task, rounds, report)
            case "rows":
                await growth_rows.rows(folder, options.rows, options.asked, report)
            case "backlog":
                await growth_backlog.backlog(folder, options.backlog, task, report)


def _numbers(text: str) -> Sequence[int]:
    numbers = [int(part) for part in text.split(",")]
    if min(numbers) < 1:
        raise ValueError(text)
    return numbers


def _parts(text: str) -> Sequence[str]:
    wanted = text.split(",")
    if unknown := set(wanted) - set(PARTS):
        raise argparse.ArgumentTypeError(
            f"no part {', '.join(sorted(unknown))}: there are {', '.join(PARTS)}"
        )
    return [it for it in PARTS if it in wanted]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--closed", type=_numbers, help="closed orders; 1000,10000,50000")
    parser.add_argument("--real", type=int, help="closed ones that are no copies; 1000")
    parser.add_argument("--open", type=int, help="open orders; 1000")
    parser.add_argument("--workers", type=_numbers, help="worker processes; 1,2,4")
    parser.add_argument("--rows", type=int, help="of the read database; 1000000")
    parser.add_argument("--backlog", type=int, help="orders placed without a worker; 5000")
    parser.add_argument("--parts", type=_parts, default=PARTS, help=f"of {','.join(PARTS)}; all")
    parser.add_argument("--orders", type=int, help="a block; 100")
    parser.add_argument("--at-once", type=int, default=20, help="orders at once; 20")
    parser.add_argument("--rounds", type=int, help="blocks of each side; 5")
    parser.add_argument("--asked", type=int, help="times for each query and projection; 1000")
    parser.add_argument("--quick", action="store_true", help="little of everything")
    parser.add_argument("--json", action="store_true", help="write one JSON document to stdout")
    parser.add_argument("--file", type=Path, default=ROOT / "build" / "growth.json")
    options = parser.parse_args()
    quick = {"closed": [10, 100], "open": 10, "workers": [1, 2], "rows": 1000, "backlog": 20}
    quick |= {"orders": 10, "rounds": 1, "asked": 20, "real": 20}
    whole = {"closed": [1000, 10000, 50000], "open": 1000, "workers": [1, 2, 4]}
    whole |= {
        "rows": 1000000,
        "backlog": 5000,
        "orders": 100,
        "rounds": 5,
        "asked": 1000,
        "real": 1000,
    }
    for name, usual in (quick if options.quick else whole).items():
        if getattr(options, name) is None:
            setattr(options, name, usual)
    numbers = (
        options.real,
        options.open,
        options.backlog,
        options.orders,
        options.at_once,
        options.rounds,
    )
    if min(numbers) < 1 or options.rows < growth_rows.FEW or options.asked < 10:
        parser.error("give at least one of everything, 100 rows, and ask 10 times")
    return options


def main() -> int:
    """Parse the options and measure; the exit code."""
    options = _options()
    report = Report(options.file, quiet=options.json)
    if not options.json:
        print(HEADING)
    try:
        with own_home() as settings:
            asyncio.run(measure(options, settings.saga_home, report))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
    except _PROBLEMS as problem:
        sys.stderr.write(f"bench-growth: {problem}\n")
        return 1
    if options.json:
        print(json.dumps(report.document(), indent=2))
    else:
        print("", *report.table(), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
