"""The deadline's clock, a timer inside the saga: a workflow timeout would end it undone."""

from collections.abc import Callable
from datetime import timedelta

from temporalio import workflow


async def time_is_up(
    left: timedelta, ticking: Callable[[], bool], decided: Callable[[], bool]
) -> bool:
    """Wait until so much time has passed while `ticking`: True; False if `decided` before."""
    while True:
        await workflow.wait_condition(lambda: ticking() or decided())
        if decided():
            return False
        since = workflow.now()
        try:
            await workflow.wait_condition(
                lambda: not ticking(), timeout=left, timeout_summary="deadline"
            )
        except TimeoutError:
            return True
        left = max(left - (workflow.now() - since), timedelta())
