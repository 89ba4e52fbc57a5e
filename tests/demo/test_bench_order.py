"""The measurements in short: every figure is there, and whatever has a limit says so."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.processes import ROOT, environment

pytestmark = pytest.mark.slow


def test_a_short_run_tells_every_figure(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.order", "--orders", "50", "--rounds", "1", "--json"],
        cwd=ROOT,
        env=environment(tmp_path) | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    # How fast this machine is at the moment is not the question.
    assert ran.returncode in {0, 1}, ran.stderr
    figures = {figure["name"]: figure for figure in json.loads(ran.stdout)["figures"]}
    limits = {name: figure["limit"] for name, figure in figures.items() if figure["limit"]}
    assert limits == {
        "worker.py to ready": 6.0,
        "place-order --wait, alone": 0.6,
        "worker's memory over 50 orders": 250.0,
    }
    for name in ("  of which its imports", "1 at once", "10 at once", "50 at once"):
        assert figures[name]["value"] > 0
    assert len([name for name in figures if name.startswith("growth of")]) == 3
    assert list(tmp_path.iterdir()) == []
