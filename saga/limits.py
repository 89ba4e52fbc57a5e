"""No workflow timeout on a saga: it would end one without undoing anything."""

from datetime import timedelta
from typing import Any

from temporalio.client import Interceptor, OutboundInterceptor, StartWorkflowInput, WorkflowHandle
from temporalio.exceptions import ApplicationError
from typing_extensions import override

from saga.start import SagaInput

NONE = timedelta(days=3650)
"""What the time-skipping server says when no timeout was given; a real one says nothing."""


def refuse_timeouts(execution: timedelta | None, run: timedelta | None) -> None:
    """Fail a saga that was started with a workflow timeout, before it has done anything."""
    if why := _refused(execution, run):
        raise ApplicationError(why, type="WorkflowTimeout", non_retryable=True)


def _refused(execution: timedelta | None, run: timedelta | None) -> str | None:
    for name, timeout in (("execution_timeout", execution), ("run_timeout", run)):
        if timeout and timeout < NONE:
            return (
                f"{name} would end the saga without undoing anything: leave it out, and set the"
                " saga's own limit with `SagaInput(deadline=...)`"
            )
    return None


class NoTimeouts(Interceptor):
    """Refuses a workflow timeout before the saga is started at all; raises ValueError."""

    @override
    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return _Starts(next)


class _Starts(OutboundInterceptor):
    @override
    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:
        is_saga = any(isinstance(argument, SagaInput) for argument in input.args)
        if is_saga and (why := _refused(input.execution_timeout, input.run_timeout)):
            raise ValueError(why)
        return await super().start_workflow(input)
