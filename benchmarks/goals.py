"""What must come out of a comparison, and by how much it did or did not."""

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.contenders.serving import Task
from benchmarks.contest import Scene
from benchmarks.tally import Line, Tally, cheaper, faster

STEPWISE_EVENTS, EXPRESS_EVENTS = 50, 16


@dataclass(frozen=True)
class Goal:
    """One goal, and what was found."""

    name: str
    found: float
    limit: float
    at_least: bool
    bound: str
    """What keeps it where it is, from the figures of the run."""

    @property
    def met(self) -> bool:
        """Whether it is."""
        return self.found >= self.limit if self.at_least else self.found <= self.limit

    @property
    def told(self) -> str:
        """One line."""
        sign = "at least" if self.at_least else "at most"
        verdict = "met" if self.met else f"MISSED by {abs(self.found / self.limit - 1):.0%}"
        return f"{self.name:<62}{self.found:>8.2f}  {sign} {self.limit:g}  {verdict}; {self.bound}"


def goals(tally: Tally, at_once: int) -> Iterator[Goal]:
    """Those of which both sides were measured; throughput is told `at_once`."""
    own = Scene(Task(1, at_once, rows="own"))
    for completed in (True, False):
        equal = Scene(Task(1, at_once, completed=completed))
        ending = "" if completed else ", compensated"
        limits = {"express": 2.5, "stepwise": 1.3}
        for lane, limit in limits.items():
            for rival, least in (("bare-sdk", limit), ("dbos", 1.0), ("restate", 1.0)):
                yield from _throughput(
                    f"{lane} over {rival}, equal rows{ending}",
                    tally.find(lane, equal),
                    tally.find(rival, equal),
                    least,
                )
    yield from _throughput(
        "express with own coalescing over bare-sdk",
        tally.find("express", own),
        tally.find("bare-sdk", own),
        3.0,
    )
    alone = Scene(Task(1, 1))
    for lane in ("express", "stepwise"):
        ours, theirs = tally.find(lane, alone), tally.find("restate", alone)
        if ours and theirs:
            ratio = ours.p50_ms / theirs.p50_ms
            bound = f"{ours.p50_ms:.0f} ms, of which {_cpu(ours)} CPU; {theirs.p50_ms:.0f} ms"
            yield Goal(f"{lane} over restate, p50 alone", ratio, 1.5, at_least=False, bound=bound)
    for lane, most in (("stepwise", STEPWISE_EVENTS), ("express", EXPRESS_EVENTS)):
        shown = tally.find(lane, Scene(Task(1, 1, rows="own"))) or tally.find(lane, alone)
        if shown and shown.history_events is not None:
            yield Goal(
                f"{lane}: history events of a completed order, alone",
                shown.history_events,
                most,
                at_least=False,
                bound=f"{shown.workflow_tasks} workflow tasks, {shown.history_bytes} bytes",
            )


def _throughput(name: str, ours: Line | None, theirs: Line | None, least: float) -> Iterator[Goal]:
    if ours is None or theirs is None:
        return
    bound = (
        f"worker {ours.worker_busy:.2f} and server {ours.server_busy:.2f} of a core busy,"
        f" {_cpu(ours)} a saga; {cheaper(ours, theirs):.2f} times cheaper in CPU"
    )
    yield Goal(name, faster(ours, theirs), least, at_least=True, bound=bound)


def _cpu(line: Line) -> str:
    return f"{line.worker_cpu_ms:.1f} + {line.server_cpu_ms:.1f} ms"
