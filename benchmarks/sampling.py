"""Orders carried out beside a sampling profiler, and the shares of what it has seen."""

import argparse
import asyncio
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

from benchmarks.contenders.serving import Task
from benchmarks.contest import CONTENDERS, Stage, staged
from benchmarks.crowd import MeasurementFailed
from demo.home import HomeTaken
from runtime.errors import RuntimeProblem

StackT = TypeVar("StackT")


@dataclass(frozen=True)
class Profiler(Generic[StackT]):
    """A program that looks at a process, and how what it writes is read."""

    of: str
    """What it looks at, as in `server`."""
    program: str
    orders: int
    """How many are carried out, if nobody says otherwise."""
    argv: Callable[[Stage, str, Path], Sequence[str]]
    """What it is told: whom to look at, in which lane, and where to write."""
    read: Callable[[Path], Counter[StackT]]
    """How often each stack was seen."""
    tables: Mapping[str, Callable[[StackT], str]]
    """By title, the group that a stack counts for."""

    async def record(self, lane: str, orders: int, at_once: int, output: Path) -> None:
        """Carry out orders beside it."""
        contender = next(it for it in CONTENDERS if it.name == lane)
        async with staged([contender], output.parent, services=False) as stage:
            process, task = stage.processes[lane], Task(orders, at_once)
            await process.carry_out(replace(task, orders=at_once))  # Neither is new afterwards.
            sampling = await asyncio.create_subprocess_exec(
                self.program,
                *self.argv(stage, lane, output),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                await process.carry_out(task)
            finally:
                if sampling.returncode is None:
                    sampling.send_signal(signal.SIGINT)
                await sampling.wait()
        if not output.exists():
            raise MeasurementFailed(
                f"{self.program} has recorded nothing: may this user trace processes?"
            )

    def main(self, told: str) -> int:
        """Print its tables as the command line says; the exit code."""
        parser = argparse.ArgumentParser(description=told)
        parser.add_argument("--lane", choices=("stepwise", "express"), default="stepwise")
        parser.add_argument("--orders", type=int, default=self.orders)
        parser.add_argument("--at-once", type=int, default=50)
        given = parser.parse_args()
        if shutil.which(self.program) is None:
            sys.stderr.write(
                f"{self.of} profile: not run, there is no {self.program} on the PATH\n"
            )
            return 1
        try:
            with tempfile.TemporaryDirectory(prefix="sp") as folder:
                output = Path(folder) / "recorded"
                asyncio.run(self.record(given.lane, given.orders, given.at_once, output))
                seen = self.read(output)
        except (HomeTaken, MeasurementFailed, RuntimeProblem) as problem:
            sys.stderr.write(f"{self.of} profile: {problem}\n")
            return 1
        samples = seen.total()
        print(f"{samples} samples, {given.orders} orders, {given.lane}, {given.at_once} at once")
        for title, group in self.tables.items():
            shares: Counter[str] = Counter()
            for stack, count in seen.items():
                shares[group(stack)] += count
            print(f"\n{title}")
            for name, count in shares.most_common():
                print(f"{100 * count / samples:6.1f} %  {name}")
        return 0
