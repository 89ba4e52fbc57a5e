"""What a comparison asks of whom."""

import subprocess
import sys

from benchmarks.contest import CONTENDERS, REFERENCE, Scene, scenes
from tests.integration.processes import ROOT

ALL = {it.name: it for it in CONTENDERS}


def asked(scene: Scene) -> dict[str, str]:
    """How often each contender is to write a row."""
    tasks = {name: scene.task_of(it) for name, it in ALL.items()}
    return {name: task.rows for name, task in tasks.items() if task}


def test_services_and_instant_participants_have_the_same_crowds() -> None:
    wanted = list(scenes(100, [1, 10, 50, 200], quick=False))
    for services in (False, True):
        told = [it.task for it in wanted if it.task.services is services]
        crowds = [it.at_once for it in told if it.completed and it.rows == "every"]
        assert crowds == [1, 10, 50, 200]
        assert 50 in [it.at_once for it in told if not it.completed]


def test_the_reference_stands_beside_our_own_coalescing_with_every_row() -> None:
    wanted = {it.name: it for it in scenes(100, [1, 50], quick=False)}
    assert asked(wanted["instant completed every 50"]) == dict.fromkeys(ALL, "every")
    ours = {name: "own" for name, it in ALL.items() if it.ours}
    assert asked(wanted["instant completed own 50"]) == {**ours, REFERENCE: "every"}


def test_an_unknown_scene_is_named() -> None:
    command = [sys.executable, "-m", "benchmarks.compare", "--scenes", "opera"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "no scene opera: there are instant completed every 1, " in ran.stderr
