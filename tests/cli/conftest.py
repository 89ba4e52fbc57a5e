"""One dev server for all tests of the command line."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from runtime.search_attributes import SEARCH_ATTRIBUTES
from saga import SagaPlugin
from tests.binaries import DEV_SERVER
from tests.cli.here import Here
from tests.cli.shop import Shop

_REPORTED_AFTER = "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server() -> AsyncIterator[WorkflowEnvironment]:
    """A dev server with the project's search attributes."""
    named = [part for it in SEARCH_ATTRIBUTES for part in ("--search-attribute", it.name)]
    registered = [it if it.startswith("--") else f"{it}=Keyword" for it in named]
    env = await WorkflowEnvironment.start_local(
        dev_server_existing_path=DEV_SERVER,
        dev_server_extra_args=[
            *registered,
            *("--dynamic-config-value", "history.transferProcessorMaxPollRPS=200"),
            # A deletion waits for both queues to say how far they are, which is every 30 s.
            *("--dynamic-config-value", 'history.transferProcessorUpdateAckInterval="50ms"'),
            *("--dynamic-config-value", 'history.visibilityProcessorUpdateAckInterval="50ms"'),
            # Reports a failing workflow task at once, instead of after five failures, in a minute.
            *("--dynamic-config-value", f"{_REPORTED_AFTER}=1"),
        ],
        plugins=[SagaPlugin()],
    )
    async with env:
        yield env


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shop(
    server: WorkflowEnvironment, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Shop]:
    """A shop whose participants do what they are asked."""
    shop = Shop(server, tmp_path_factory.mktemp("shop"))
    async with shop.working():
        yield shop


@pytest_asyncio.fixture(loop_scope="session")
async def own_shop(server: WorkflowEnvironment, tmp_path: Path) -> AsyncIterator[Shop]:
    """A shop whose participants the test can tell what to do."""
    shop = Shop(server, tmp_path)
    async with shop.working():
        yield shop


@pytest.fixture
def closed_shop(server: WorkflowEnvironment, tmp_path: Path) -> Shop:
    """A shop without a worker, until the test starts one; its read database has no tables."""
    return Shop(server, tmp_path)


@pytest_asyncio.fixture(loop_scope="session")
async def working(closed_shop: Shop) -> AsyncIterator[Shop]:
    """A shop with a worker, and a database of its own."""
    async with closed_shop.working():
        yield closed_shop


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    """The command line in this process, for what a process of its own would prove no better."""
    return Here(monkeypatch, capsys)
