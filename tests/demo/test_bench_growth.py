"""Growth in short: every figure is there, beside that of something small."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.processes import ROOT, environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ASKED = (
    "status of one order",
    "a customer's orders",
    "the latest orders",
    "what was compensated",
    "what is stuck",
)


def run(*options: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.growth", *options],
        cwd=ROOT,
        env=environment(home) | {"TMPDIR": "/tmp"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_short_run_tells_every_figure(tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    ran = run("--quick", "--json", "--file", str(found), home=tmp_path)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    # How fast this machine is at the moment is not the question.
    lines = {it["name"].strip(): it for it in told["lines"] if it["name"].strip() != "p99"}
    for what in ("10 closed", "100 closed", "10 open"):
        limits = [
            lines[f"{it}, {what}"]["limit"] for it in ("throughput", "p99", "CPU of an order")
        ]
        assert limits == [0.85, 1.15, None]
    assert lines["throughput, 2 workers for 1"]["limit"] is None
    databases = ["SQLite"]
    if not any(it.startswith("PostgreSQL: not run") for it in told["notes"]):
        databases.append("PostgreSQL")
    for database in databases:
        for name in (*ASKED, "project 12 events and their row"):
            assert len(lines[f"{name}, {database}"]["ratios"]) == 3
    assert lines["slowest new one, of the backlog's last"]["limit"] == 0.1
    assert all(it["small"] > 0 and it["grown"] > 0 for it in lines.values())
    assert "100 closed: 70 of them are copies of rows, not carried out" in told["notes"]
    assert json.loads(found.read_text())["lines"] == told["lines"]


def test_an_unknown_part_is_named() -> None:
    command = [sys.executable, "-m", "benchmarks.growth", "--parts", "open,closets"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "no part closets: there are closed, open, workers, rows, backlog" in ran.stderr
