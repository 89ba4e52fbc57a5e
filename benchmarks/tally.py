"""What blocks add up to: one line for each contender and scene, and ratios between contenders."""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.contest import Block, Scene
from benchmarks.order_history import HistorySize


@dataclass(frozen=True)
class Line:
    """One contender in one scene."""

    contender: str
    scene: str
    sagas_per_second: float
    """The median of the rounds."""
    p50_ms: float
    p99_ms: float
    """Of all orders of all rounds."""
    worker_cpu_ms: float
    server_cpu_ms: float
    """Per saga."""
    worker_busy: float
    server_busy: float
    """In cores, while orders were carried out."""
    peak_mb: float
    history_events: int | None
    workflow_tasks: int | None
    history_bytes: int | None
    """Of the shortest history of a few; None for engines that have none."""
    orders: int
    rounds: tuple[float, ...]
    """Sagas a second, in each round."""


@dataclass(frozen=True)
class Tally:
    """All lines, by contender and scene."""

    lines: Mapping[tuple[str, str], Line]

    @classmethod
    def of(
        cls, blocks: Iterable[Block], histories: Mapping[tuple[str, str], HistorySize]
    ) -> "Tally":
        """Add up."""
        gathered: dict[tuple[str, str], list[Block]] = defaultdict(list)
        for block in blocks:
            gathered[block.contender, block.scene.name].append(block)
        return cls({key: _line(them, histories.get(key)) for key, them in gathered.items()})

    def find(self, contender: str, scene: Scene) -> Line | None:
        """That line, if that was measured."""
        return self.lines.get((contender, scene.name))

    @property
    def scenes(self) -> list[str]:
        """Their names, in the order of the run."""
        return list(dict.fromkeys(scene for _, scene in self.lines))

    def of_scene(self, scene: str) -> list[Line]:
        """Its lines, in the order of the contenders."""
        return [line for line in self.lines.values() if line.scene == scene]


def faster(ours: Line, theirs: Line) -> float:
    """How many times as many sagas a second: the median over the rounds, each with its own."""
    return statistics.median(a / b for a, b in zip(ours.rounds, theirs.rounds, strict=True))


def cheaper(ours: Line, theirs: Line) -> float:
    """How many times the CPU of worker and server they take; no other program changes that."""
    return (theirs.worker_cpu_ms + theirs.server_cpu_ms) / max(
        ours.worker_cpu_ms + ours.server_cpu_ms, 0.001
    )


def quantile(times: Sequence[float], part: float) -> float:
    """The time that this part of them stays within, in milliseconds."""
    ordered = sorted(times)
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)] * 1000


def _line(blocks: Sequence[Block], history: HistorySize | None) -> Line:
    times = [time for block in blocks for time in block.done.times]
    seconds = sum(block.done.seconds for block in blocks)
    worker, server = (sum(it.worker_cpu for it in blocks), sum(it.server_cpu for it in blocks))
    rounds = tuple(len(it.done.times) / it.done.seconds for it in blocks)
    return Line(
        contender=blocks[0].contender,
        scene=blocks[0].scene.name,
        sagas_per_second=statistics.median(rounds),
        p50_ms=quantile(times, 0.5),
        p99_ms=quantile(times, 0.99),
        worker_cpu_ms=worker / len(times) * 1000,
        server_cpu_ms=server / len(times) * 1000,
        worker_busy=worker / seconds,
        server_busy=server / seconds,
        peak_mb=max(block.memory for block in blocks),
        history_events=history.events if history else None,
        workflow_tasks=history.workflow_tasks if history else None,
        history_bytes=history.size if history else None,
        orders=len(times),
        rounds=rounds,
    )
