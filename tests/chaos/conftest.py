"""A house to wreak havoc in."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.integration.house import House


@pytest_asyncio.fixture(loop_scope="session")
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A house without anyone in it."""
    house = House(tmp_path)
    yield house
    await house.clear()
