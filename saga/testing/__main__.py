"""The failure matrix from the command line: `python -m saga.testing MODULE:ATTRIBUTE`."""

import argparse
import asyncio
import fnmatch
import logging
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from saga.testing.bench import Bench, Verdict, server
from saga.testing.cases import Case
from saga.testing.columns import cases
from saga.testing.report import table, write_junit
from saga.testing.workers import load

_BAR = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())


async def run(reference: str, chosen: list[Case], console: Console) -> list[Verdict]:
    """Run these cases, several at once, with a progress bar."""
    with tempfile.TemporaryDirectory() as folder, Progress(*_BAR, console=console) as progress:
        task = progress.add_task("starting", total=len(chosen))

        async def one(bench: Bench, case: Case) -> Verdict:
            verdict = await bench.run(case)
            progress.update(task, advance=1, description=case.id)
            if not verdict.ok:
                console.print(str(verdict), style="red", highlight=False)
            return verdict

        async with server() as client, Bench(reference, client, Path(folder)) as bench:
            verdicts = await asyncio.gather(*(one(bench, case) for case in chosen))
        progress.update(task, description="done")
    await asyncio.sleep(0.1)  # The SDK may crash in a process that ends right after a call.
    return list(verdicts)


def main() -> int:
    """Run the matrix of a subject; 0 if nothing is violated."""
    parser = argparse.ArgumentParser(prog="python -m saga.testing", description=__doc__)
    parser.add_argument("subject", help="module:attribute of a saga.testing.Subject")
    parser.add_argument("--short", action="store_true", help="only the most telling faults")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="e.g. 'charge-payment/*'")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML")
    options = parser.parse_args()
    sys.path.insert(0, "")
    # Failing activities are the point here: the SDK's warnings of them go nowhere.
    logging.getLogger("temporalio").addHandler(logging.NullHandler())
    logging.getLogger("temporalio").propagate = False
    subject = load(options.subject)
    everything = cases(subject, short=options.short)
    chosen = [case for case in everything if fnmatch.fnmatch(case.id, options.only)]
    console, began = Console(), time.monotonic()
    verdicts = asyncio.run(run(options.subject, chosen, console))
    console.print(table(verdicts))
    failed = [verdict for verdict in verdicts if not verdict.ok]
    took = time.monotonic() - began
    console.print(f"{len(verdicts)} cases, {len(failed)} violated, in {took:.0f} s")
    if options.junit:
        write_junit(verdicts, options.junit, name=subject.kind.name)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
