"""Servers for the workflow tests, and orders about to be placed on them."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from activities.projection import projection
from runtime.search_attributes import register_search_attributes
from saga import SagaPlugin
from tests.binaries import DEV_SERVER, TEST_SERVER
from tests.orders import Order, working
from tests.workflows.caching import CACHES
from tests.workflows.express import Express
from tests.workflows.trip import Trip, booking


@pytest.fixture(scope="module")
def long_gathering() -> Iterator[None]:
    """Let no gathering timer fire in the moment in which the saga cancels it.

    The time-skipping server, unlike a real one, then takes no more of the workflow's tasks.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(vars(projection), "interval", timedelta(hours=1))
        patch.setitem(vars(projection), "later_interval", timedelta(hours=1))
        yield


@pytest.fixture(scope="module")
def time_skipping(
    long_gathering: None, hours_in_milliseconds: WorkflowEnvironment
) -> WorkflowEnvironment:
    """A server on which hours pass in milliseconds, for one module."""
    return hours_in_milliseconds


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def hours_in_milliseconds() -> AsyncIterator[WorkflowEnvironment]:
    """A server on which hours pass in milliseconds."""
    env = await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=TEST_SERVER, plugins=[SagaPlugin()]
    )
    async with env:
        await register_search_attributes(env.client)
        yield env


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def dev_server() -> AsyncIterator[WorkflowEnvironment]:
    """A real server, for what the other one can't do: resets, visibility, time limits."""
    env = await WorkflowEnvironment.start_local(
        dev_server_existing_path=DEV_SERVER, plugins=[SagaPlugin()]
    )
    async with env:
        await register_search_attributes(env.client)
        yield env


@pytest_asyncio.fixture(loop_scope="session", params=CACHES)
async def order(
    request: pytest.FixtureRequest, time_skipping: WorkflowEnvironment
) -> AsyncIterator[Order]:
    """One on the time-skipping server; `replayed` runs every task from the first event."""
    async with working(time_skipping, max_cached_workflows=request.param) as order:
        yield order


@pytest_asyncio.fixture(loop_scope="session")
async def real_order(dev_server: WorkflowEnvironment) -> AsyncIterator[Order]:
    """One on a real server; every task is run from the first event."""
    async with working(dev_server, max_cached_workflows=0) as order:
        yield order


@pytest_asyncio.fixture(loop_scope="session")
async def express(dev_server: WorkflowEnvironment) -> AsyncIterator[Express]:
    """One on a real server, and its workers; every task is run from the first event."""
    it = Express(dev_server)
    saga, rows = it.workers()
    async with saga, rows:
        yield it


@pytest_asyncio.fixture(loop_scope="session", params=CACHES)
async def trip(
    request: pytest.FixtureRequest, time_skipping: WorkflowEnvironment
) -> AsyncIterator[Trip]:
    """One on the time-skipping server; `replayed` runs every task from the first event."""
    async with booking(time_skipping, max_cached_workflows=request.param) as trip:
        yield trip
