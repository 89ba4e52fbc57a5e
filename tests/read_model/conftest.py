"""Two databases to run the read model on, and sagas in them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from read_model.database import open_database
from read_model.migration import migrate
from read_model.projector import SagaProjector
from saga import fold
from tests.postgres import postgres_database
from tests.read_model.drifting import ALL, History, Server
from tests.read_model.states import a_log


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


@pytest_asyncio.fixture
async def server(engine: AsyncEngine) -> Server:
    """Three sagas that have been projected as their histories say."""
    server = Server()
    for saga in ALL:
        log = a_log(saga.removeprefix("order-"))
        server.histories[saga] = History(log)
        await SagaProjector(engine).project(fold(log), log)
    return server
