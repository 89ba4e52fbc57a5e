"""Publishing and consuming in short: every figure is there, and whatever has a limit says so."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.processes import ROOT, environment

pytestmark = pytest.mark.slow

LABELS = {"rabbitmq": "RabbitMQ", "kafka": "Kafka on tansu", "sns-sqs": "SNS/SQS on moto"}


@pytest.mark.parametrize("broker", LABELS)
def test_a_short_run_tells_every_figure(tmp_path: Path, broker: str) -> None:
    few = ("--messages", "100", "--rounds", "1", "--memory", "200")
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.events", "--broker", broker, *few, "--json"],
        cwd=ROOT,
        env=environment(tmp_path) | {"TMPDIR": "/tmp"},
        capture_output=True,
        text=True,
        check=False,
    )
    # So few messages tell nothing of the ratio.
    assert ran.returncode in {0, 1}, ran.stderr
    told = json.loads(ran.stdout)
    label = LABELS[broker]
    if told["not_run"]:
        assert [it.startswith(f"{label}: not run, ") for it in told["not_run"]] == [True]
        assert (told["comparisons"], told["figures"]) == ([], [])
        return
    limits = {it["name"].strip(): it["limit"] for it in told["comparisons"]}
    assert limits == {"publish": 0.8, "consume": 0.8, "publish CPU": None, "consume CPU": None}
    for it in told["comparisons"]:
        assert it["broker"] == label
        assert min(it["ours"], it["bare"]) > 0
    memory = {it["name"].strip(): it["limit"] for it in told["figures"]}
    assert memory == {
        f"{label}, memory, first tenth of 200": None,
        "last tenth": None,
        "growth": 10.0,
    }
    kept = all(it["kept"] for it in told["comparisons"] + told["figures"])
    assert (ran.returncode == 0) == kept
