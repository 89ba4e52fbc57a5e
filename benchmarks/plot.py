"""Draw what `benchmarks.compare` has found: throughput by crowd, CPU of a saga, time alone.

python -m benchmarks.plot FILE.json PICTURE

Writes PICTURE.png and PICTURE.svg; runs in the venv that has matplotlib.
"""

import json
import sys
from pathlib import Path
from typing import Any

from matplotlib import rcParams
from matplotlib.figure import Figure

# The same figures make the same file.
rcParams["svg.hashsalt"] = "bench"

COLOURS = {
    "stepwise": "#1f77b4",
    "express": "#0b3d91",
    "stepwise-postgres": "#7fb2dd",
    "bare-sdk": "#888888",
    "dbos": "#d62728",
    "restate": "#ff7f0e",
}
_EVERY = "instant completed every "


def draw(found: dict[str, Any], picture: Path) -> None:
    """Three pictures side by side."""
    lines = {(it["contender"], it["scene"]): it for it in found["lines"]}
    names = [name for name in COLOURS if any(name == known for known, _ in lines)]
    crowds = sorted({int(s.removeprefix(_EVERY)) for _, s in lines if s.startswith(_EVERY)})
    if not crowds:
        sys.exit(f"it needs scenes named '{_EVERY.strip()}', and none was measured")
    figure = Figure(figsize=(15, 4.6))
    rate, cpu, alone = figure.subplots(1, 3)
    for name in names:
        rates = [lines[name, f"{_EVERY}{crowd}"]["sagas_per_second"] for crowd in crowds]
        rate.plot([str(it) for it in crowds], rates, "o-", color=COLOURS[name], label=name)
    rate.set(title="Throughput, a row after every change", xlabel="orders at once")
    rate.set(ylabel="sagas a second", ylim=(0, None))
    rate.legend(fontsize=8)
    crowd = 50 if 50 in crowds else crowds[-1]
    busy = [lines[name, f"{_EVERY}{crowd}"] for name in names]
    colours = [COLOURS[name] for name in names]
    worker = [it["worker_cpu_ms"] for it in busy]
    cpu.barh(names, worker, color=colours)
    cpu.barh(names, [it["server_cpu_ms"] for it in busy], left=worker, color=colours, alpha=0.45)
    cpu.set(title=f"CPU of a saga, {crowd} at once", xlabel="ms: worker, and paler its servers")
    cpu.invert_yaxis()
    lone = [lines[name, f"{_EVERY}{crowds[0]}"] for name in names]
    alone.barh(names, [it["p99_ms"] for it in lone], color=colours, alpha=0.35)
    alone.barh(names, [it["p50_ms"] for it in lone], color=colours)
    alone.set(title=f"Time of an order, {crowds[0]} at once", xlabel="ms: p50, and paler p99")
    alone.invert_yaxis()
    figure.tight_layout()
    figure.savefig(picture.with_suffix(".png"), dpi=110)
    figure.savefig(picture.with_suffix(".svg"), metadata={"Date": None})


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
