"""The house: activities are registered, imports run downward only, and tests named are there."""

import ast
import functools
import importlib
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import sentinel

import pytest

from activities.projection import ProjectionActivities
from activities.publication import PublicationActivities
from saga.steps import name_of
from tests.scheduling import LONGER
from workers.sagas import WORKFLOWS, step_activities
from workflows.order import OrderSaga

ROOT = Path(__file__).parent.parent

FLOORS = (
    ("benchmarks",),
    ("demo",),
    ("examples",),
    ("worker", "starter"),
    ("api", "cli", "consumers"),
    ("audit", "workers"),
    ("workflows",),
    ("activities",),
    ("read_model",),
    ("services",),
    ("contracts",),
    ("saga",),
    ("brokers",),
    ("runtime",),
)
"""From the roof down; a floor imports itself and what stands below it."""

HEIGHT = {room: height for height, floor in enumerate(FLOORS) for room in floor}


def modules() -> Iterator[tuple[str, Path]]:
    for room in HEIGHT:
        files = [ROOT / f"{room}.py"] if (ROOT / f"{room}.py").exists() else []
        yield from ((room, path) for path in files + sorted((ROOT / room).rglob("*.py")))


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            rooms |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            rooms.add(node.module.split(".")[0])
    return rooms & HEIGHT.keys()


@pytest.mark.parametrize(("room", "path"), list(modules()), ids=str)
def test_imports_run_downward(room: str, path: Path) -> None:
    above = {other for other in imported_rooms(path) if HEIGHT[other] < HEIGHT[room]}
    assert not above


def test_services_stand_alone() -> None:
    for room, path in modules():
        if room == "services":
            assert imported_rooms(path) <= {"services", "brokers"}, path
            assert "temporalio" not in path.read_text(), path


def test_the_api_has_two_sides_that_meet_in_one_place() -> None:
    names = ("temporalio", "read_model", "cli", "services")
    sides = {
        "commands.py": {"temporalio"},
        "queries.py": {"read_model"},
        "application.py": {"temporalio", "read_model"},
        "__main__.py": {"read_model"},
    }
    for room, path in modules():
        if room == "api":
            known = {name for name in names if f"from {name}" in path.read_text()}
            assert known == sides.get(path.name, set()), path
            other = {"commands.py": "api.queries", "queries.py": "api.commands"}.get(path.name)
            assert other is None or other not in path.read_text()


def test_the_engine_says_no_word_of_orders() -> None:
    for room, path in modules():
        if room == "saga":
            assert "contracts" not in imported_rooms(path)


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_every_activity_that_a_saga_names_is_registered(workflow: type[OrderSaga]) -> None:
    clients = dict.fromkeys(("order", "payment", "inventory", "shipping"), sentinel.client)
    registered = {name_of(activity) for activity in step_activities(clients)}
    registered |= {name_of(ProjectionActivities.project_saga)}
    registered |= {name_of(PublicationActivities.publish_events)}
    for step in workflow.steps:
        assert step.name in registered
        assert step.undo is None or step.undo.name in registered
    for sink in workflow.sinks:
        assert name_of(sink.activity) in registered


@pytest.mark.parametrize("nodeid", sorted(LONGER))
def test_what_is_longer_is_there(nodeid: str) -> None:
    path, *names = nodeid.partition("[")[0].split("::")
    module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
    assert callable(functools.reduce(getattr, names, module))


def test_whatever_runs_alone_is_where_make_looks_for_it() -> None:
    tests = (ROOT / "tests").rglob("test_*.py")
    marked = [path for path in tests if "\n@pytest.mark.alone" in path.read_text()]
    assert {path.parent.name for path in marked} == {"integration"}
