"""Recovery: what is done about a saga that someone ended from outside, with effects left behind.

Another run under the same id undoes what was sent, by the same keys; it tells no story. A saga that
had sent its pivot is past that: it is reset to its last workflow task, and goes on from there.
"""

from dataclasses import dataclass, field
from datetime import datetime

from pydantic import BaseModel
from temporalio.api.common.v1 import Payloads, WorkflowExecution
from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.common import TypedSearchAttributes, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from runtime.search_attributes import CustomerId, SagaStatus, SagaType
from saga.envelope import Event, JsonObject
from saga.events import RepairAction, SagaCompleted, Status, StepRepaired
from saga.host import RECORD
from saga.identity import DIGEST, Direction
from saga.start import Recovery, Reply, Request, Sent

_RESET = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW

_ENDED_FROM_OUTSIDE = {
    WorkflowExecutionStatus.TERMINATED,
    WorkflowExecutionStatus.TIMED_OUT,
    WorkflowExecutionStatus.FAILED,
}


class NotRecoverable(Exception):
    """There is nothing to recover of this saga; the message says why."""


class _Call(BaseModel):
    """What matters here of a call, whatever its command."""

    step: str
    name: str
    direction: Direction
    pivot: bool
    command: JsonObject


@dataclass
class _CutOff:
    """What the history of a run says that was ended from outside."""

    started_at: datetime
    start: JsonObject = field(default_factory=dict)
    sent: list[Sent] = field(default_factory=list)
    by_hand: set[str] = field(default_factory=set)
    """What a person has undone: the participant knows nothing of it, and would undo it too."""
    committed: bool = False
    """Whether it had sent its pivot, or had completed without one."""
    last_task: int = 0
    resets_of: list[str] = field(default_factory=list)
    """The runs that it was reset from."""


async def recover(client: Client, workflow_id: str, request: Request) -> Reply:
    """Undo what a cut-off saga has done, or let it go on if it had sent its pivot or completed.

    Raises NotRecoverable when it was not ended from outside, or had not begun.
    """
    described = await _ended(client, workflow_id)
    cut_off = await _read(client, described)
    if not cut_off.last_task:
        raise NotRecoverable(f"{workflow_id} had not begun: there is nothing to undo")
    if cut_off.committed:
        await _take_up(client, workflow_id, described.run_id, cut_off.last_task, request)
        message = "it had sent its pivot, or completed: it goes on from where it was cut off"
        return Reply(accepted=False, status=Status.RUNNING, message=message)
    await _start_undoing(client, described, cut_off, request)
    return Reply(accepted=True, status=Status.COMPENSATING, message="the saga is being undone")


async def _ended(client: Client, workflow_id: str) -> WorkflowExecutionDescription:
    try:
        described = await client.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise NotRecoverable(f"no {workflow_id} on the server, or no longer") from None
        raise
    if described.status is WorkflowExecutionStatus.RUNNING:
        raise NotRecoverable(f"{workflow_id} is still running: cancel it instead")
    if described.status not in _ENDED_FROM_OUTSIDE:
        raise NotRecoverable(f"{workflow_id} was not cut off: it has come to its outcome")
    return described


async def _read(client: Client, described: WorkflowExecutionDescription) -> _CutOff:
    cut_off = _CutOff(started_at=described.start_time)
    await _read_run(client, cut_off, described.id, described.run_id)
    last_task = cut_off.last_task
    for run_id in cut_off.resets_of:  # What is read adds the runs before.
        await _read_run(client, cut_off, described.id, run_id)
    cut_off.last_task = last_task
    if cut_off.start.get("recovery") is not None:
        # It was cut off while it undid what the run before it had sent.
        before = Recovery.model_validate(cut_off.start["recovery"])
        cut_off.sent, cut_off.started_at = list(before.sent), before.started_at
    cut_off.sent = [sent for sent in cut_off.sent if sent.instance not in cut_off.by_hand]
    return cut_off


async def _read_run(client: Client, cut_off: _CutOff, workflow_id: str, run_id: str) -> None:
    handle = client.get_workflow_handle(workflow_id, run_id=run_id)
    try:
        async for event in handle.fetch_history_events():
            await _take_in(client, cut_off, event)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise NotRecoverable(f"the history of {workflow_id}'s run {run_id} is gone") from None
        raise


async def _take_in(client: Client, cut_off: _CutOff, event: HistoryEvent) -> None:
    if event.HasField("workflow_execution_started_event_attributes"):
        given = event.workflow_execution_started_event_attributes.input
        cut_off.start = await _decoded(client, given)
    elif event.HasField("workflow_task_completed_event_attributes"):
        cut_off.last_task = event.event_id
    elif event.HasField("activity_task_scheduled_event_attributes"):
        content = await _decoded(client, event.activity_task_scheduled_event_attributes.input)
        if content.get("direction") == Direction.DO:
            _sent(cut_off, _Call.model_validate(content))
    elif event.HasField("workflow_properties_modified_event_attributes"):
        memo = event.workflow_properties_modified_event_attributes.upserted_memo.fields
        if RECORD in memo:
            _recorded(cut_off, await _decoded(client, Payloads(payloads=[memo[RECORD]])))
    elif event.HasField("workflow_task_failed_event_attributes"):
        failed = event.workflow_task_failed_event_attributes
        before = failed.base_run_id
        if failed.cause == _RESET and before not in cut_off.resets_of:
            cut_off.resets_of.append(before)


def _recorded(cut_off: _CutOff, recorded: JsonObject) -> None:
    event = Event[JsonObject].model_validate(recorded)
    if event.event_type == SagaCompleted.__name__:
        cut_off.committed = True
    elif event.event_type == StepRepaired.__name__ and event.direction is Direction.UNDO:
        skipped = StepRepaired.model_validate(event.data).action is RepairAction.SKIP
        if skipped and event.step is not None:
            cut_off.by_hand.add(event.step)


def _sent(cut_off: _CutOff, call: _Call) -> None:
    # A reset and a repair ask a second time; a probe bears its step's instance, and another name.
    if call.name != call.step or call.step in {sent.instance for sent in cut_off.sent}:
        return
    name = call.step.partition("~")[0]
    cut_off.sent.append(Sent(step=name, instance=call.step, command=call.command))
    cut_off.committed |= call.pivot


async def _decoded(client: Client, payloads: Payloads) -> JsonObject:
    [content] = await client.data_converter.decode(payloads.payloads)
    return content if isinstance(content, dict) else {}


async def _start_undoing(
    client: Client, described: WorkflowExecutionDescription, cut_off: _CutOff, request: Request
) -> None:
    recovery = Recovery(
        by=request.by,
        reason=request.reason,
        sent=tuple(cut_off.sent),
        started_at=cut_off.started_at,
    )
    start = {**cut_off.start, "recovery": recovery.model_dump(mode="json")}
    try:
        await client.start_workflow(
            described.workflow_type,
            start,
            id=described.id,
            task_queue=described.task_queue,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
            memo={DIGEST: (await described.memo()).get(DIGEST)},
            search_attributes=_search_attributes(described),
        )
    except WorkflowAlreadyStartedError:
        raise NotRecoverable(f"{described.id} is being recovered already") from None


def _search_attributes(described: WorkflowExecutionDescription) -> TypedSearchAttributes:
    ours = (SagaType, SagaStatus, CustomerId)
    pairs = described.typed_search_attributes
    return TypedSearchAttributes([pair for pair in pairs if pair.key in ours])


async def _take_up(client: Client, workflow_id: str, run_id: str, task: int, why: Request) -> None:
    await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
            reason=f"recovered by {why.by}: {why.reason}",
            workflow_task_finish_event_id=task,
            # Two people who recover one run at once get one and the same new run.
            request_id=f"recover-{run_id}",
            identity=client.identity,
        )
    )
