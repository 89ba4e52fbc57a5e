"""Two databases to run every service on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from tests.postgres import postgres_database


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    """The name of each database system in turn."""
    name: str = request.param
    return name


@pytest_asyncio.fixture(loop_scope="module")
async def database_url(
    backend: str, request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[str]:
    """The URL of an empty database for one test."""
    async with _new_database(backend, request, tmp_path) as url:
        yield url


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def module_database_url(
    backend: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[str]:
    """The URL of a database for the tests of one module."""
    async with _new_database(backend, request, tmp_path_factory.mktemp("module")) as url:
        yield url


@asynccontextmanager
async def _new_database(
    backend: str, request: pytest.FixtureRequest, folder: Path
) -> AsyncIterator[str]:
    if backend == "sqlite":
        yield f"sqlite:///{folder / 'service.db'}"
        return
    server: str = request.getfixturevalue("postgres_url")
    async with postgres_database(server) as url:
        yield url
