"""The servers that all integration tests share, and a stage on them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from tests.integration.house import House
from tests.integration.shops import Shops, open_shops
from tests.integration.stage import Stage, new_database, reading
from tests.integration.temporal import temporal_in_memory


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server() -> AsyncIterator[WorkflowEnvironment]:
    """A Temporal server in memory."""
    async with temporal_in_memory() as env:
        yield env


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def open_all_day(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shops]:
    """The services."""
    async with open_shops(tmp_path_factory.mktemp("shops")) as shops:
        yield shops


@pytest_asyncio.fixture(loop_scope="session")
async def shops(open_all_day: Shops) -> AsyncIterator[Shops]:
    """The services, whose faults end with the test."""
    yield open_all_day
    await open_all_day.heal()


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=["sqlite", "postgresql"])
async def long_stage(
    request: pytest.FixtureRequest,
    server: WorkflowEnvironment,
    open_all_day: Shops,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Stage]:
    """A stage with a worker on each kind of read database in turn."""
    backend: str = request.param
    postgres = request.getfixturevalue("postgres_url") if backend == "postgresql" else None
    async with (
        new_database(backend, postgres, tmp_path_factory.mktemp("read")) as url,
        reading(url) as reader,
    ):
        stage = Stage(server.client, open_all_day, url, reader)
        async with stage.working():
            yield stage


@pytest.fixture
def stage(long_stage: Stage, shops: Shops) -> Stage:
    """A stage for one test: its faults end with the test."""
    assert long_stage.shops is shops
    return long_stage


@pytest_asyncio.fixture(loop_scope="session")
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A house without anyone in it."""
    house = House(tmp_path)
    yield house
    await house.clear()
