"""The page on changing a saga shows code as it stands."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "changing-a-saga.md").read_text()
BLOCKS = re.findall(r"<!-- (\S+?\.py) -->\n```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_page_has_code() -> None:
    assert [path for path, _ in BLOCKS] == [
        "contracts/versions.py",
        "contracts/events.py",
        "examples/insured_trip.py",
    ]


@pytest.mark.parametrize(("path", "block"), BLOCKS)
def test_the_page_shows_the_code(path: str, block: str) -> None:
    assert block in (ROOT / path).read_text()
