"""The server that scripts are played on, whose hours pass in milliseconds."""

import asyncio
from datetime import timedelta
from typing import Self

from temporalio.client import Client
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig
from temporalio.testing import WorkflowEnvironment

from runtime.search_attributes import register_search_attributes
from saga import SagaPlugin
from tests.binaries import TEST_SERVER

PATIENCE = 20.0
"""Real seconds after which something is wrong.

All under way ends in milliseconds, and then time passes at once. A task that the server has given
to a worker that was just being stopped is given again after 10 s, the task's time limit.
"""


class TimeStandsStill(Exception):
    """Time does not pass while a task is under way: one fails for ever, or nobody takes it."""


class Clock:
    """One time-skipping server; one saga at a time."""

    def __init__(self, env: WorkflowEnvironment) -> None:
        self._env = env

    @classmethod
    async def started(cls) -> Self:
        """Start a server."""
        return cls(await _started())

    @property
    def client(self) -> Client:
        """A client of it."""
        return self._env.client

    async def sleep(self, duration: timedelta) -> None:
        """Let time pass: at once when nothing is under way.

        Raises TimeStandsStill; `renew` the server then, or if cancelled, as it waits for ever.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                await self._env.sleep(duration)
        except TimeoutError:
            raise TimeStandsStill from None

    async def renew(self) -> None:
        """Put another server in its place."""
        await self.stop()
        self._env = await _started()

    async def stop(self) -> None:
        """Stop the server."""
        await self._env.shutdown()


_QUIET = LoggingConfig(filter="ERROR")
"""Failing calls are the point here: the SDK's warnings of them would hide the script."""


async def _started() -> WorkflowEnvironment:
    env = await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=TEST_SERVER,
        plugins=[SagaPlugin()],
        runtime=Runtime(telemetry=TelemetryConfig(logging=_QUIET)),
    )
    await register_search_attributes(env.client)
    return env
