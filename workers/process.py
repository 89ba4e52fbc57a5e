"""The process of a worker: its event loop, and what its garbage collector need not look at."""

import gc
from collections.abc import Coroutine

import uvloop

GARBAGE_AFTER = 20_000
"""New objects between two collections, where Python 3.11 has 700: a workflow task makes more."""


def run(work: Coroutine[object, object, None]) -> None:
    """Carry it out, for as long as it takes, on an event loop that costs less than asyncio's."""
    # What is loaded by now stays: looking through it again and again finds nothing.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_AFTER)
    uvloop.run(work)
