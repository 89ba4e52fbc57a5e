"""Carries correlation and causation from a client through workflows to activities.

What has them in its payload has no header: a `Call`, an `Event` and a `Batch` have them anyway, and
a `SagaInput` that has none gets those of whoever starts the saga, so that its history says it too.
Everything else gets a Temporal header, if there is anything to carry: other activities, signals,
queries and updates, and workflows that are no sagas. The header is made by the SDK's own converter,
so that every worker can read it; a codec sees it where `header_codec_behavior` says so.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NoReturn, Protocol

from temporalio import client, worker, workflow
from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowHandle, WorkflowUpdateHandle
from temporalio.converter import PayloadConverter
from temporalio.workflow import ActivityHandle, ChildWorkflowHandle
from typing_extensions import override

from runtime.correlation import MEMBERS, NOTHING, Correlation, correlated, current, enter, remember
from saga.envelope import Call, Event
from saga.messages import SagaCommandT
from saga.pump import Batch
from saga.start import SagaInput

HEADER = "saga-correlation"

AnyStart = SagaInput[Any]


class CorrelationInterceptor(client.Interceptor, worker.Interceptor):
    """Give it to the client, before what makes spans; its workers inherit it."""

    @override
    def intercept_client(self, next: client.OutboundInterceptor) -> client.OutboundInterceptor:
        return _FromClient(next)

    @override
    def intercept_activity(
        self, next: worker.ActivityInboundInterceptor
    ) -> worker.ActivityInboundInterceptor:
        return _IntoActivity(next)

    @override
    def workflow_interceptor_class(
        self, input: worker.WorkflowInterceptorClassInput
    ) -> type[worker.WorkflowInboundInterceptor]:
        return _IntoWorkflow


def of_call(call: Call[Any]) -> Correlation:
    """What the activity that takes a call belongs to: the command is its cause."""
    return Correlation(call.correlation_id, call.command_id, call.saga_id, call.name)


def inherited(start: SagaInput[SagaCommandT]) -> SagaInput[SagaCommandT]:
    """A saga's input with the ids of whoever starts it, where it says none itself."""
    caller = current()
    given: dict[str, str] = {}
    if start.correlation_id is None and caller.correlation_id is not None:
        given["correlation_id"] = caller.correlation_id
    if start.causation_id is None and caller.causation_id is not None:
        given["causation_id"] = caller.causation_id
    return start.model_copy(update=given) if given else start


def _of_payload(arguments: Iterable[object]) -> Correlation | None:
    for it in arguments:
        if isinstance(it, Call):
            return of_call(it)
        if isinstance(it, Batch):
            cause = it.events[-1].event_id if it.events else None
            return Correlation(it.state.correlation_id, cause, it.state.saga_id)
        if isinstance(it, Event):
            return Correlation(it.correlation_id, it.event_id, it.saga_id, it.step)
    return None


class _Input(Protocol):
    args: Sequence[Any]
    headers: Mapping[str, Payload]


class _WithHeaders(Protocol):
    headers: Mapping[str, Payload]


def _start_of(arguments: Iterable[object]) -> AnyStart | None:
    return next((it for it in arguments if isinstance(it, SagaInput)), None)


def _hand_down(given: _Input) -> None:
    """To a workflow or an activity that is started."""
    if current() is NOTHING or any(isinstance(it, (Call, Batch, Event)) for it in given.args):
        return
    if _start_of(given.args) is None:
        _send(given)
    else:
        given.args = [inherited(it) if isinstance(it, SagaInput) else it for it in given.args]


def _send(given: _WithHeaders) -> None:
    correlation = current()
    if correlation.correlation_id is not None:
        payload = PayloadConverter.default.to_payload(correlation.members)
        given.headers = {**given.headers, HEADER: payload}


def _sent(headers: Mapping[str, Payload]) -> Correlation | None:
    if (payload := headers.get(HEADER)) is None:
        return None
    members: dict[str, str] = PayloadConverter.default.from_payload(payload)
    return Correlation(*(members.get(name) for name in MEMBERS))


class _FromClient(client.OutboundInterceptor):
    @override
    async def start_workflow(self, input: client.StartWorkflowInput) -> WorkflowHandle[Any, Any]:
        _hand_down(input)
        if (start := _start_of(input.args)) is None:
            return await super().start_workflow(input)
        started = Correlation(start.correlation_id or input.id, start.causation_id, input.id)
        with correlated(started):
            return await super().start_workflow(input)

    @override
    async def start_update_with_start_workflow(
        self, input: client.StartWorkflowUpdateWithStartInput
    ) -> WorkflowUpdateHandle[Any]:
        _hand_down(input.start_workflow_input)
        _send(input.update_workflow_input)
        return await super().start_update_with_start_workflow(input)

    @override
    async def start_workflow_update(
        self, input: client.StartWorkflowUpdateInput
    ) -> WorkflowUpdateHandle[Any]:
        _send(input)
        return await super().start_workflow_update(input)

    @override
    async def signal_workflow(self, input: client.SignalWorkflowInput) -> None:
        _send(input)
        await super().signal_workflow(input)

    @override
    async def query_workflow(self, input: client.QueryWorkflowInput) -> Any:
        _send(input)
        return await super().query_workflow(input)


class _IntoActivity(worker.ActivityInboundInterceptor):
    @override
    async def execute_activity(self, input: worker.ExecuteActivityInput) -> Any:
        # It holds to the end of the task, in which the SDK logs how the activity has ended.
        if (found := _of_payload(input.args) or _sent(input.headers)) is not None:
            enter(found)
        return await self.next.execute_activity(input)


class _IntoWorkflow(worker.WorkflowInboundInterceptor):
    @override
    def init(self, outbound: worker.WorkflowOutboundInterceptor) -> None:
        self._known = NOTHING
        super().init(_FromWorkflow(outbound))

    @override
    async def execute_workflow(self, input: worker.ExecuteWorkflowInput) -> Any:
        info = workflow.info()
        if (start := _start_of(input.args)) is not None:
            correlation_id = start.correlation_id or info.workflow_id
            self._known = Correlation(correlation_id, start.causation_id, info.workflow_id)
        elif (sent := _sent(input.headers)) is not None:
            self._known = sent
        if self._known is not NOTHING:
            remember(info.run_id, self._known)
            enter(self._known)
        return await super().execute_workflow(input)

    @override
    async def handle_signal(self, input: worker.HandleSignalInput) -> None:
        self._enter(input)
        await super().handle_signal(input)

    @override
    async def handle_query(self, input: worker.HandleQueryInput) -> Any:
        self._enter(input)
        return await super().handle_query(input)

    @override
    def handle_update_validator(self, input: worker.HandleUpdateInput) -> None:
        self._enter(input)
        super().handle_update_validator(input)

    @override
    async def handle_update_handler(self, input: worker.HandleUpdateInput) -> Any:
        self._enter(input)
        return await super().handle_update_handler(input)

    def _enter(self, given: _WithHeaders) -> None:
        """Each of these is a task of its own; what asks for it is its cause."""
        asked = _sent(given.headers)
        if asked is None:
            enter(self._known)
            return
        # What comes in one task with the start runs before it: all that is known is who asks.
        known = asked if self._known is NOTHING else self._known
        cause = asked.causation_id or asked.correlation_id
        enter(replace(known, causation_id=cause, asked_by=cause))


class _FromWorkflow(worker.WorkflowOutboundInterceptor):
    @override
    def start_activity(self, input: worker.StartActivityInput) -> ActivityHandle[Any]:
        _hand_down(input)
        return super().start_activity(input)

    @override
    def start_local_activity(self, input: worker.StartLocalActivityInput) -> ActivityHandle[Any]:
        _hand_down(input)
        return super().start_local_activity(input)

    @override
    async def start_child_workflow(
        self, input: worker.StartChildWorkflowInput
    ) -> ChildWorkflowHandle[Any, Any]:
        _hand_down(input)
        return await super().start_child_workflow(input)

    @override
    async def signal_child_workflow(self, input: worker.SignalChildWorkflowInput) -> None:
        _send(input)
        await super().signal_child_workflow(input)

    @override
    async def signal_external_workflow(self, input: worker.SignalExternalWorkflowInput) -> None:
        _send(input)
        await super().signal_external_workflow(input)

    @override
    def continue_as_new(self, input: worker.ContinueAsNewInput) -> NoReturn:
        _hand_down(input)
        super().continue_as_new(input)
