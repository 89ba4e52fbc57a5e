"""Following a saga to its outcome, by asking it."""

import asyncio
import gc
from collections.abc import Callable
from time import monotonic

from cli.saga_id import SagaId
from cli.temporal import TemporalSagas
from cli.terminal import note
from saga import SagaState, Status

FIRST_PAUSE = 0.025
LONGEST_PAUSE = 0.25

_GROWTH = 1.4
_QUIET = 1.0
"""Seconds without news after which Temporal is asked whether the workflow still runs."""


async def follow(
    sagas: TemporalSagas, saga: SagaId, show: Callable[[SagaState], None] = lambda _: None
) -> SagaState | None:
    """The state with the outcome; `show` gets each new state on the way, and this one.

    A saga that someone ended from outside gets the status `terminated`; None when no worker was
    there to tell how far it had come.
    """
    state: SagaState | None = None
    pause, news, waiting = FIRST_PAUSE, monotonic(), False
    while True:
        latest = await sagas.state(saga)
        if latest is not None and latest != state:
            state = latest
            show(state)
            if state.status.final:
                return state
            pause, news = FIRST_PAUSE, monotonic()
        elif latest is None or monotonic() - news > _QUIET:
            gc.enable()  # See `cli.process`.
            found = await sagas.find(saga)
            if found is None or found.status is Status.TERMINATED:
                return state and state.model_copy(update={"status": Status.TERMINATED})
            if latest is None and not waiting:
                note(f"waiting for {saga.worker}")
                waiting = True
            news = monotonic()
        await asyncio.sleep(pause)
        pause = min(pause * _GROWTH, LONGEST_PAUSE)
