"""The server that scripts are played on, and how many scripts there are."""

import logging
import os
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest
import pytest_asyncio
from hypothesis import Phase, settings

from activities.projection import projection
from saga.steps import PIVOT, PROBE, UNTIL_DEADLINE, UNTIL_STUCK
from tests.properties.clock import Clock

_COMMON = settings(
    database=None,
    # A script that waits for hours of virtual time takes longer than an empty one.
    deadline=None,
    report_multiple_bugs=False,
    # To explain a script would play it some more times, and it explains itself.
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
settings.register_profile("default", _COMMON, max_examples=20, derandomize=True)
settings.register_profile("long", _COMMON, max_examples=5000, derandomize=False, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(scope="module")
def few_timers() -> Iterator[None]:
    """Leave out what no script is about: gathering timers that fire, and attempt after attempt.

    The declared objects are changed, so the workflows are to run outside the sandbox.
    """
    changes: list[tuple[object, str, object]] = [(projection, "interval", None)]
    changes += [
        (policy, "longest_pause", timedelta(minutes=5))
        for policy in (UNTIL_DEADLINE, PIVOT, PROBE, UNTIL_STUCK)
    ]
    before = [(declared, name, getattr(declared, name)) for declared, name, _ in changes]
    for declared, name, value in changes:
        object.__setattr__(declared, name, value)
    yield
    for declared, name, value in before:
        object.__setattr__(declared, name, value)


@pytest.fixture(scope="module")
def quiet() -> Iterator[None]:
    """Failing calls are the point here: the SDK's warnings of them would hide the script."""
    logger = logging.getLogger("temporalio")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(level)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def clock(few_timers: None, quiet: None) -> AsyncIterator[Clock]:
    """A server on which hours pass in milliseconds; one script at a time."""
    clock = await Clock.started()
    yield clock
    await clock.stop()
