"""The page that takes a newcomer to a saga of their own says what the example says."""

import ast
import re
from pathlib import Path

import pytest

from examples.trip import TripSaga
from saga import lint

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "your-own-saga.md").read_text()
BLOCKS = re.findall(r"<!-- (\S+?\.py):?(.*?) -->\n```python\n(.*?)```", PAGE, re.DOTALL)


def named(node: ast.stmt) -> str:
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    return getattr(node, "name", "")


def parts(path: str, names: list[str]) -> list[str]:
    source = (ROOT / path).read_text()
    nodes = [node for node in ast.parse(source).body if named(node) in names or not names]
    return [ast.dump(node) for node in nodes]


@pytest.mark.parametrize(("path", "names", "block"), BLOCKS)
def test_the_page_shows_the_code(path: str, names: str, block: str) -> None:
    shown = [ast.dump(node) for node in ast.parse(block).body]
    assert shown == parts(path, names.split())


def test_the_page_shows_all_of_it() -> None:
    shown = {name for _, names, _ in BLOCKS for name in names.split()}
    body = ast.parse((ROOT / "examples" / "trip.py").read_text()).body
    assert shown == {named(node) for node in body} - {""}
    assert "tests/examples/test_trip.py" in {path for path, _, _ in BLOCKS}


def test_it_takes_under_60_lines() -> None:
    files = ("examples/trip.py", "tests/examples/test_trip.py")
    lines = [line for file in files for line in (ROOT / file).read_text().splitlines()]
    assert sum(1 for line in lines if line.strip()) < 60


def test_it_is_safe() -> None:
    assert lint(TripSaga) == []
