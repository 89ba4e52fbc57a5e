"""Two databases to run the read model on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from read_model.database import open_database
from read_model.migration import migrate
from tests.postgres import postgres_database


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    """The name of each database system in turn."""
    name: str = request.param
    return name


@pytest_asyncio.fixture
async def database_url(
    backend: str, request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[str]:
    """The URL of an empty database."""
    if backend == "sqlite":
        yield f"sqlite:///{tmp_path / 'folder' / 'read.db'}"
        return
    server: str = request.getfixturevalue("postgres_url")
    async with postgres_database(server) as url:
        yield url


@pytest_asyncio.fixture
async def empty(database_url: str) -> AsyncIterator[AsyncEngine]:
    """A database without tables."""
    engine = open_database(database_url)
    yield engine
    await engine.dispose()


@pytest_asyncio.fixture
async def engine(empty: AsyncEngine) -> AsyncEngine:
    """A database that is up to date."""
    await migrate(empty)
    return empty
