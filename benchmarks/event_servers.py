"""The servers of `make bench-events`: brokers as the tests start them, each for one measurement."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.crowd import MeasurementFailed
from demo.home import ROOT

STARTED_WITHIN = 60.0
STOPPED_WITHIN = 20.0
_NOT_INSTALLED = 3
_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"}
"""moto takes any, and is not given a person's own."""


class NotRun(Exception):
    """This broker is not on this machine; `str()` says how to get it."""


@asynccontextmanager
async def served(broker: str) -> AsyncIterator[str]:
    """The URL of a broker of its own; raises NotRun where it is not installed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.brokers.serve", broker),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        # A Ctrl-C is for us: the server is to end after those who use it.
        start_new_session=True,
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    try:
        try:
            async with asyncio.timeout(STARTED_WITHIN):
                url = (await process.stdout.readline()).decode().strip()
        except TimeoutError:
            raise MeasurementFailed(f"{broker} does not start") from None
        if not url:
            told = (await process.stderr.read()).decode().strip().splitlines()
            if await process.wait() == _NOT_INSTALLED:
                raise NotRun(told[-1])
            raise MeasurementFailed(f"{broker} does not start: {told[-1:]}")
        os.environ.update(_CREDENTIALS)
        yield url
    finally:
        process.stdin.close()
        try:
            async with asyncio.timeout(STOPPED_WITHIN):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
