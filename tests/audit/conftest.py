"""Shops of the tests' own with a Temporal server, and audits of them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from read_model.migration import migrate
from runtime.search_attributes import register_search_attributes
from saga import SagaPlugin
from tests.audit.audited import Audited, Fates
from tests.binaries import DEV_SERVER
from tests.cli.here import Here
from tests.integration.shops import open_shops
from tests.integration.stage import Stage, new_database, reading
from tests.integration.temporal import temporal_in_memory


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server() -> AsyncIterator[WorkflowEnvironment]:
    """A Temporal server that has no other sagas."""
    async with temporal_in_memory() as env:
        yield env


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def audited(
    server: WorkflowEnvironment, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Audited]:
    """Services on SQLite, with a worker."""
    home = tmp_path_factory.mktemp("audited")
    async with (
        open_shops(home) as shops,
        new_database("sqlite", None, home) as url,
        reading(url) as reader,
    ):
        stage = Stage(server.client, shops, url, reader)
        async with stage.working():
            yield Audited(stage, home)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def fates(audited: Audited) -> Fates:
    """Orders of every fate that ends by itself."""
    return await Fates.meet(audited.stage)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    """The command line in this process."""
    return Here(monkeypatch, capsys)


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    """A folder for what is tampered with."""
    folder = tmp_path / "copies"
    folder.mkdir()
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own_server() -> AsyncIterator[str]:
    """The address of a Temporal server that knows no saga, or none any more."""
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=DEV_SERVER, plugins=[SagaPlugin()]
    ) as env:
        await register_search_attributes(env.client)
        yield env.client.service_client.config.target_host


@pytest_asyncio.fixture(loop_scope="session")
async def empty_database(tmp_path: Path) -> AsyncIterator[str]:
    """The URL of a read database without rows."""
    url = f"sqlite:///{tmp_path / 'empty.db'}"
    async with reading(url) as engine:
        await migrate(engine)
        yield url
