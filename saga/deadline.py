"""The deadline's clock, a timer inside the saga: a workflow timeout would end it undone."""

from collections.abc import Callable
from datetime import timedelta

from saga.host import Host


async def time_is_up(
    host: Host, left: timedelta, ticking: Callable[[], bool], decided: Callable[[], bool]
) -> bool:
    """Wait until so much time has passed while `ticking`: True; False if `decided` before."""
    while True:
        await host.wait_for(lambda: ticking() or decided())
        if decided():
            return False
        since = host.now()
        try:
            await host.wait_for(lambda: not ticking(), timeout=left, summary="deadline")
        except TimeoutError:
            return True
        left = max(left - (host.now() - since), timedelta())
