"""Measure this project beside what a user would take instead: `make bench`.

python -m benchmarks.compare [--orders 100] [--rounds 3] [--at-once 1,10,50,200]
    [--contenders stepwise,express,...] [--scenes own,services,...] [--quick]
    [--json FILE] [--plot FILE]

One order of five steps, by every contender, with its status in a read database after every change.
Servers and workers start once, in folders of their own and on free ports, and contenders take turns
block by block. For all of them a crash of a process loses nothing and a power cut the latest: the
embedded Temporal server and SQLite with a write-ahead log and `synchronous=normal`, PostgreSQL with
`synchronous_commit=off`, Restate without fsync of its log. All else is each engine's default.

Ended early, by Ctrl-C or SIGTERM, it tells the rounds that were whole.

Exit code: 0 also when a goal is missed, since the table says so; 1 when it could not be measured.
"""

import argparse
import asyncio
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.contest import (
    CONTENDERS,
    REFERENCE,
    Block,
    Contender,
    Scene,
    compete,
    history_of,
    scenes,
    staged,
)
from benchmarks.crowd import MeasurementFailed
from benchmarks.goals import Goal, goals
from benchmarks.order_history import HistorySize
from benchmarks.stage import VENV
from benchmarks.tally import Line, Tally, cheaper, faster
from demo.home import ROOT, HomeTaken
from demo.participants import ServiceTrouble
from runtime.errors import RuntimeProblem

_PROBLEMS = (HomeTaken, MeasurementFailed, RuntimeProblem, ServiceTrouble)


@dataclass(frozen=True)
class Outcome:
    """All that a run has found."""

    tally: Tally
    goals: Sequence[Goal]
    missing: dict[str, str]
    seconds: float
    load_before: tuple[float, float, float]


async def measure(
    options: argparse.Namespace, contenders: Sequence[Contender], wanted: Sequence[Scene]
) -> Outcome:
    """Have everybody carry out everything."""
    began, load = time.monotonic(), os.getloadavg()
    task = asyncio.current_task()
    assert task is not None
    loop, asked = asyncio.get_running_loop(), asyncio.Event()

    def end() -> None:
        # Once: `timeout` asks twice, and what was started must not outlive this.
        if not asked.is_set():
            asked.set()
            task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)

    def tell(scene: str) -> None:
        sys.stderr.write(f"{time.monotonic() - began:5.0f} s  {scene}\n")

    with tempfile.TemporaryDirectory(prefix="sb") as folder:
        services = any(scene.task.services for scene in wanted)
        async with staged(contenders, Path(folder), services=services) as stage:
            blocks: list[Block] = []
            try:
                await compete(stage, contenders, wanted, options.rounds, tell, blocks)
            except asyncio.CancelledError:
                if not blocks:
                    raise
                task.uncancel()
                tell("ended early: what follows is what there is")
            histories: dict[tuple[str, str], HistorySize] = {}
            if stage.client is not None:
                temporal = {it.name for it in contenders if "temporal" in it.servers}
                for block in (it for it in blocks if it.contender in temporal):
                    size = await history_of(stage.client, block)
                    key = (block.contender, block.scene.name)
                    histories[key] = min(size, histories.get(key, size))
            missing = dict(stage.missing)
    tally = Tally.of(blocks, histories)
    crowd = 50 if 50 in options.at_once else max(options.at_once)
    return Outcome(
        tally=tally,
        goals=list(goals(tally, crowd)),
        missing=missing,
        seconds=time.monotonic() - began,
        load_before=load,
    )


def table(outcome: Outcome) -> Iterator[str]:
    """What a person reads."""
    tally = outcome.tally
    for scene in tally.scenes:
        lines = tally.of_scene(scene)
        reference = next((it for it in lines if it.contender == REFERENCE), None)
        yield ""
        yield (
            f"{scene:<34}{'sagas/s':>8}{'ratio':>7}{'p50 ms':>8}{'p99 ms':>8}{'worker':>8}"
            f"{'server':>8}{'ratio':>7}{'events':>8}{'tasks':>6}{'bytes':>7}{'MB':>6}"
        )
        yield from (_told(line, reference) for line in lines)
    yield ""
    yield "worker and server: CPU ms per saga; ratios: to bare-sdk, of throughput and of CPU"
    yield ""
    yield from (goal.told for goal in outcome.goals)
    yield from (f"{name}: not run: {reason}" for name, reason in outcome.missing.items())
    before, after = outcome.load_before, os.getloadavg()
    yield (
        f"{outcome.seconds:.0f} s; load average {before[0]:.1f} before, {after[0]:.1f} at the end,"
        f" on {os.cpu_count()} processors"
    )


def _told(line: Line, reference: Line | None) -> str:
    ratios = ("-", "-")
    if reference:
        ratios = (f"{faster(line, reference):.2f}", f"{cheaper(line, reference):.2f}")
    counts = [line.history_events, line.workflow_tasks, line.history_bytes]
    events, tasks, size = ("-" if it is None else str(it) for it in counts)
    return (
        f"  {line.contender:<32}{line.sagas_per_second:>8.1f}{ratios[0]:>7}{line.p50_ms:>8.1f}"
        f"{line.p99_ms:>8.1f}{line.worker_cpu_ms:>8.1f}{line.server_cpu_ms:>8.1f}{ratios[1]:>7}"
        f"{events:>8}{tasks:>6}{size:>7}{line.peak_mb:>6.0f}"
    )


def document(outcome: Outcome) -> dict[str, object]:
    """What programs read."""
    return {
        "contenders": {it.name: it.told for it in CONTENDERS},
        "not_run": outcome.missing,
        "lines": [asdict(line) for line in outcome.tally.lines.values()],
        "goals": [{**asdict(goal), "met": goal.met} for goal in outcome.goals],
        "machine": {"processors": os.cpu_count(), "python": platform.python_version()},
        "load_before": outcome.load_before,
        "load_after": os.getloadavg(),
        "seconds": outcome.seconds,
    }


def draw(found: Path, picture: Path) -> str | None:
    """Draw PNG and SVG with the other venv's matplotlib; why not, if not."""
    python = VENV / "bin" / "python"
    if not python.exists():
        return f"no plot: {VENV.name} is not there"
    command = [str(python), "-m", "benchmarks.plot", str(found), str(picture)]
    drawn = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    return None if drawn.returncode == 0 else f"no plot: {drawn.stderr.strip().splitlines()[-1]}"


def _crowds(text: str) -> list[int]:
    crowds = [int(part) for part in text.split(",")]
    if min(crowds) < 1:
        raise ValueError(text)
    return crowds


def _chosen(text: str) -> list[Contender]:
    known = {it.name: it for it in CONTENDERS}
    names = text.split(",")
    if unknown := set(names) - known.keys():
        raise argparse.ArgumentTypeError(
            f"no contender {', '.join(sorted(unknown))}: there are {', '.join(known)}"
        )
    return [it for it in CONTENDERS if it.name in names]


def main() -> int:
    """Parse the options and measure; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.add_argument("--orders", type=int, help="a block, at 10 and more at once; 100")
    parser.add_argument("--rounds", type=int, help="blocks for each contender and scene; 3")
    parser.add_argument("--at-once", type=_crowds, help="crowds, as in 1,10,50,200")
    parser.add_argument("--contenders", type=_chosen, help="as in stepwise,bare-sdk; all")
    parser.add_argument("--scenes", default="", help="those named like this, as in own,services")
    parser.add_argument("--quick", action="store_true", help="a few orders of each kind")
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "bench.json")
    parser.add_argument("--plot", type=Path, default=ROOT / "build" / "bench", help="no suffix")
    options = parser.parse_args()
    options.orders = options.orders or (5 if options.quick else 100)
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.at_once = options.at_once or ([1, 5] if options.quick else [1, 10, 50, 200])
    if options.orders < 1 or options.rounds < 1:
        parser.error("give at least one order and one round")
    known = list(scenes(options.orders, options.at_once, quick=options.quick))
    wanted = [it for it in known if any(part in it.name for part in options.scenes.split(","))]
    if not wanted:
        parser.error(f"no scene {options.scenes}: there are {', '.join(it.name for it in known)}")
    try:
        outcome = asyncio.run(measure(options, options.contenders or CONTENDERS, wanted))
    except asyncio.CancelledError:
        return 130
    except _PROBLEMS as problem:
        sys.stderr.write(f"bench: {problem}\n")
        return 1
    print(*table(outcome), sep="\n")
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(document(outcome), indent=2) + "\n")
    if trouble := draw(options.json, options.plot):
        print(trouble)
    return 0


if __name__ == "__main__":
    sys.exit(main())
