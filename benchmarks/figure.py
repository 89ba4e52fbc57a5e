"""One measurement held against its limit, and how all of them are told."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Figure:
    """One measurement."""

    name: str
    value: float
    unit: str
    limit: float | None = None
    """None for what is told as information."""
    at_least: bool = False
    """Whether the limit is the least that is enough."""

    @property
    def kept(self) -> bool:
        """Whether the limit is."""
        if self.limit is None:
            return True
        return self.value >= self.limit if self.at_least else self.value <= self.limit


def show(figure: Figure) -> None:
    """One line for a person."""
    value = f"{figure.value:.0f}" if float(figure.value).is_integer() else f"{figure.value:.2f}"
    least = "at least" if figure.at_least else "limit"
    limit = "" if figure.limit is None else f"{least} {figure.limit:g}"
    broken = "" if figure.kept else "  BROKEN"
    print(f"{figure.name:<56}{value:>9} {figure.unit:<9}{limit}{broken}", flush=True)


def conclude(figures: Sequence[Figure], *, as_json: bool) -> int:
    """Tell what is left to tell, and the machine's load beside it; the exit code."""
    load = [round(it, 2) for it in os.getloadavg()]
    if as_json:
        told = [{**asdict(figure), "kept": figure.kept} for figure in figures]
        print(json.dumps({"figures": told, "load_average": load}, indent=2))
    else:
        print(f"load average {load[0]} {load[1]} {load[2]} on {os.cpu_count()} processors")
    return 0 if all(figure.kept for figure in figures) else 1
