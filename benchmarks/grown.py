"""What has grown, held against what has not: one line each, and how all of them are told."""

import json
import os
import platform
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

WITHIN = 0.15
"""By how much a grown store may be slower than an empty one."""


@dataclass(frozen=True)
class Grown:
    """One figure of something small and of something grown, taken in turns."""

    part: str
    """What was measured: `closed`, `open`, `workers`, `rows` or `backlog`."""
    name: str
    unit: str
    small: float
    grown: float
    ratios: tuple[float, ...]
    """Of the grown to the small one, one for each round."""
    limit: float | None = None
    """None for what is told as information."""
    at_least: bool = False
    """Whether the limit is the least that is enough."""
    bound: str = ""
    """What keeps it where it is, from figures of the same run."""
    load: float = field(default_factory=lambda: os.getloadavg()[0])
    """Of the machine, over the last minute."""

    @property
    def ratio(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.ratios)

    @property
    def kept(self) -> bool:
        """Whether the limit is."""
        if self.limit is None:
            return True
        return self.ratio >= self.limit if self.at_least else self.ratio <= self.limit


HEADING = f"{'':<52}{'small':>10}{'grown':>10} {'':<9}{'ratio':>6}{'':<18}{'load':>6}"


def line_of(it: Grown) -> str:
    """What a person reads."""
    spread = f"({min(it.ratios):.2f} to {max(it.ratios):.2f})" if len(it.ratios) > 1 else ""
    verdict = ""
    if it.limit is not None:
        sign = "at least" if it.at_least else "at most"
        verdict = f"  {sign} {it.limit:g}{'' if it.kept else '  MISSED'}"
    bound = f"; {it.bound}" if it.bound else ""
    return (
        f"{it.name:<52}{it.small:>10.2f}{it.grown:>10.2f} {it.unit:<9}{it.ratio:>6.2f}"
        f" {spread:<17}{it.load:>6.1f}{verdict}{bound}"
    )


@dataclass
class Report:
    """All that is known so far; it is written again with each line, so that none is lost."""

    path: Path
    quiet: bool
    lines: list[Grown] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """What is no figure, but must be known to read them."""
        self.notes.append(text)
        if not self.quiet:
            print(f"  {text}", flush=True)
        self._write()

    def add(self, found: Sequence[Grown]) -> None:
        """Tell these, too."""
        self.lines += found
        if not self.quiet:
            print(*(line_of(it) for it in found), sep="\n", flush=True)
        self._write()

    def table(self) -> Iterator[str]:
        """All lines again, at the end."""
        yield HEADING
        yield from (line_of(it) for it in self.lines)

    def document(self) -> dict[str, object]:
        """What programs read."""
        lines = [{**asdict(it), "ratio": it.ratio, "kept": it.kept} for it in self.lines]
        machine = {"processors": os.cpu_count(), "python": platform.python_version()}
        return {"lines": lines, "notes": self.notes, "machine": machine}

    def _write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(".tmp")
        draft.write_text(json.dumps(self.document(), indent=2) + "\n")
        draft.replace(self.path)
