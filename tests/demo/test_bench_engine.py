"""The engine's cost in short: every figure is there, and whatever has a limit says so."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.processes import ROOT, environment

pytestmark = pytest.mark.slow


def test_a_short_run_tells_every_figure(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.engine", "--block", "5", "--pairs", "2", "--json"],
        cwd=ROOT,
        env=environment(tmp_path) | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    # So few sagas tell nothing of the ratio.
    assert ran.returncode in {0, 1}, ran.stderr
    figures = json.loads(ran.stdout)["comparisons"]
    limits = {"history events": 1.0, "workflow tasks": 1.0, "history size": None}
    limits["worker CPU"] = 1.05
    for ending in ("completed", "compensated"):
        found = {it["name"]: it for it in figures if it["ending"] == ending}
        assert {name: it["limit"] for name, it in found.items()} == limits
        assert all(it["engine"] > 0 and it["by_hand"] > 0 for it in found.values())
        assert ran.returncode == 0 or not all(it["kept"] for it in figures)
    assert list(tmp_path.iterdir()) == []
