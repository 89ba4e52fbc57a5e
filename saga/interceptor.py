"""What holds for every activity that a step calls: it heartbeats, and its bugs are told apart."""

import asyncio
from typing import Any

from temporalio import activity
from temporalio.exceptions import FailureError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor
from typing_extensions import override

from saga.answers import bug
from saga.envelope import Call


class CallInterceptor(Interceptor):
    """Wraps the activities that take a `Call`; the others run as they are."""

    @override
    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _InboundCall(next)


class _InboundCall(ActivityInboundInterceptor):
    @override
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        call = next((argument for argument in input.args if isinstance(argument, Call)), None)
        if call is None:
            return await self.next.execute_activity(input)
        beating = asyncio.create_task(heartbeat())
        try:
            return await self.next.execute_activity(input)
        except FailureError:
            raise
        except Exception as error:
            raise bug(call, error) from error
        finally:
            beating.cancel()


async def heartbeat() -> None:
    """Beat three times within the timeout, so that a dead worker and a cancel are soon noticed."""
    timeout = activity.info().heartbeat_timeout
    while timeout is not None:
        await asyncio.sleep(timeout.total_seconds() / 3)
        activity.heartbeat()
