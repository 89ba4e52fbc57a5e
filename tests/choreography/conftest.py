"""The orchestrated twin: a Temporal server, the services as a process, a worker."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.integration.shops import open_shops
from tests.integration.stage import Stage, new_database, reading
from tests.integration.temporal import temporal_in_memory


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def all_orchestrated(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A stage with a worker on SQLite."""
    async with (
        temporal_in_memory() as server,
        open_shops(tmp_path_factory.mktemp("orchestrated")) as shops,
        new_database("sqlite", None, tmp_path_factory.mktemp("read")) as url,
        reading(url) as reader,
    ):
        stage = Stage(server.client, shops, url, reader)
        async with stage.working():
            yield stage


@pytest_asyncio.fixture(loop_scope="session")
async def orchestrated(all_orchestrated: Stage) -> AsyncIterator[Stage]:
    """The stage for one test: its faults end with the test."""
    yield all_orchestrated
    await all_orchestrated.shops.heal()
