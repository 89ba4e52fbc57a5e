"""A Temporal server in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio.testing import WorkflowEnvironment

from runtime.search_attributes import register_search_attributes
from saga import SagaPlugin
from tests.binaries import DEV_SERVER

DYNAMIC_CONFIG = (
    "history.transferProcessorMaxPollRPS=200",
    'history.timerProcessorMaxTimeShift="50ms"',
    "matching.enableFairness=true",
)
"""As in `runtime.dev_server`: a lone saga waits for neither polls nor timers."""


@asynccontextmanager
async def temporal_in_memory() -> AsyncIterator[WorkflowEnvironment]:
    """A server that knows the sagas' search attributes."""
    options = [part for it in DYNAMIC_CONFIG for part in ("--dynamic-config-value", it)]
    env = await WorkflowEnvironment.start_local(
        dev_server_existing_path=DEV_SERVER,
        dev_server_extra_args=options,
        plugins=[SagaPlugin()],
    )
    async with env:
        await register_search_attributes(env.client)
        yield env
