"""The read side's measurements in short: every figure is there, and what has a limit says so."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.processes import ROOT, environment

pytestmark = pytest.mark.slow


def test_a_short_run_tells_every_figure(tmp_path: Path) -> None:
    few = ("--orders", "20", "--rows", "1000", "--rounds", "20")
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.read", *few, "--json"],
        cwd=ROOT,
        env=environment(tmp_path) | {"TMPDIR": "/tmp"},
        capture_output=True,
        text=True,
        check=False,
    )
    # How fast this machine is at the moment is not the question.
    assert ran.returncode in {0, 1}, ran.stderr
    figures = json.loads(ran.stdout)["figures"]
    limits = {figure["name"]: figure["limit"] for figure in figures if figure["limit"]}
    assert limits == {
        "rebuild": 300.0,
        "project 12 events and their row, SQLite, median": 3.0,
        "project 12 events and their row, PostgreSQL, median": 3.0,
        "status of one order of 1000, PostgreSQL, p99": 5.0,
        "a customer's orders of 1000, PostgreSQL, p99": 5.0,
    }
    assert all(figure["value"] > 0 for figure in figures if figure["limit"])
