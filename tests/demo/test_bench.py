"""The comparison in short, for those contenders that need nothing but the project."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.processes import ROOT, environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

CONTENDERS = ("stepwise", "express", "bare-sdk")


def test_a_short_run_tells_every_figure(tmp_path: Path) -> None:
    found, folder = tmp_path / "found.json", tmp_path / "t"
    folder.mkdir()
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.compare", "--quick"),
            *("--contenders", ",".join(CONTENDERS)),
            *("--json", str(found), "--plot", str(tmp_path / "found")),
        ],
        cwd=ROOT,
        env=environment(tmp_path) | {"TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    told = json.loads(found.read_text())
    lines = {(it["contender"], it["scene"]): it for it in told["lines"]}
    for contender in CONTENDERS:
        for scene in ("completed every 1", "completed every 5", "compensated every 5"):
            line = lines[contender, f"instant {scene}"]
            assert line["orders"] == len(line["rounds"]) * (1 if scene.endswith(" 1") else 5)
            assert line["sagas_per_second"] > 0
            assert line["p50_ms"] <= line["p99_ms"]
            assert line["worker_cpu_ms"] > 0
            assert line["server_cpu_ms"] > 0
            assert line["history_events"] > line["workflow_tasks"] > 0
    goals = {it["name"]: it for it in told["goals"]}
    assert goals["express: history events of a completed order, alone"]["met"]
    assert goals["stepwise over bare-sdk, equal rows"]["limit"] == 1.3
    assert "express over dbos, equal rows" not in goals
    assert list(folder.iterdir()) == []


def test_an_unknown_contender_is_named() -> None:
    command = [sys.executable, "-m", "benchmarks.compare", "--contenders", "stepwise,camunda"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "no contender camunda: there are stepwise, express" in ran.stderr
