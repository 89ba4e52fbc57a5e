"""Recovery: what is done about a saga that someone ended from outside, with effects left behind.

Another run under the same id undoes what was sent, by the same keys; it tells no story. A saga that
had sent its pivot is past that: it is reset to its last workflow task, and goes on from there.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.common import TypedSearchAttributes, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from runtime.codec import decoding
from runtime.search_attributes import CustomerId, SagaStatus, SagaType
from saga.envelope import JsonObject, SentCall
from saga.events import RepairAction, SagaCompleted, Status, StepRepaired
from saga.history import read_saga
from saga.identity import DIGEST, Direction, turn_of
from saga.run_log import RunLog
from saga.start import Recovery, Reply, Request, Sent
from saga.state import data_of

ENDED_FROM_OUTSIDE = {
    WorkflowExecutionStatus.TERMINATED,
    WorkflowExecutionStatus.TIMED_OUT,
    WorkflowExecutionStatus.FAILED,
}


class NotRecoverable(Exception):
    """There is nothing to recover of this saga; the message says why."""


@dataclass
class _CutOff:
    """What the runs say of a saga that was ended from outside."""

    started_at: datetime
    start: JsonObject
    sent: list[Sent]
    committed: bool
    """Whether it had sent its pivot, or had completed without one."""
    unsettled: bool
    """Whether the lane of one of them may have called what no history tells of."""
    begun: RunLog
    """The newest run that has done anything, and so the one to go on from."""


async def recover(client: Client, workflow_id: str, request: Request) -> Reply:
    """Undo what a cut-off saga has done, or let it go on if it had sent its pivot or completed.

    Raises NotRecoverable when it was not ended from outside, or had not begun.
    """
    described = await _ended(client, workflow_id)
    cut_off = await _read(client, described)
    if cut_off.committed:
        await _take_up(client, described, cut_off.begun, request)
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
    if described.status not in ENDED_FROM_OUTSIDE:
        raise NotRecoverable(f"{workflow_id} was not cut off: it has come to its outcome")
    return described


async def _read(client: Client, described: WorkflowExecutionDescription) -> _CutOff:
    history = await read_saga(client, described.id)
    if history is None or not history.reaches_back:
        raise NotRecoverable(f"the history of {described.id}, or of a run before, is gone")
    newest = history.runs[-1]
    if newest.run_id != described.run_id:
        raise NotRecoverable(f"{described.id} is being recovered already")
    if not history.is_saga:
        raise NotRecoverable(f"{described.id} is no saga, but a {described.workflow_type}")
    runs = [newest, *reversed(history.runs[:-1])]
    # A recovery, or a reset to the beginning, may have been ended before any worker took it.
    begun = next((run for run in runs if run.last_task and run.events), None)
    unsettled = any(run.unsettled for run in runs)
    if begun is None and unsettled:
        begun = newest  # Ended in its first task, in which the lane runs.
    if begun is None:
        raise NotRecoverable(f"{described.id} had not begun: there is nothing to undo")
    by_hand = {step for run in runs for step in _undone_by_hand(run)}
    # It may have been cut off while it undid what the run before it had sent.
    recovery = newest.input.get("recovery")
    before = None if recovery is None else Recovery.model_validate(recovery)
    sent = list(before.sent) if before else _sent(call for run in runs for call in run.calls)
    return _CutOff(
        started_at=before.started_at if before else described.start_time,
        start=newest.input,
        # What a person has undone the participant knows nothing of, and would undo too.
        sent=[sent for sent in sent if sent.instance not in by_hand],
        committed=any(_committed(run) for run in runs),
        unsettled=unsettled,
        begun=begun,
    )


def _undone_by_hand(run: RunLog) -> Iterator[str]:
    for event in run.events:
        if event.event_type == StepRepaired.__name__ and event.direction is Direction.UNDO:
            skipped = data_of(event, StepRepaired).action is RepairAction.SKIP
            if skipped and event.step is not None:
                yield event.step


def _committed(run: RunLog) -> bool:
    completed = any(event.event_type == SagaCompleted.__name__ for event in run.events)
    return completed or any(call.pivot for call in run.calls)


def _sent(calls: Iterable[SentCall]) -> list[Sent]:
    sent: dict[str, Sent] = {}
    for call in calls:
        # A reset and a repair ask a second time; a probe bears its step's instance, another name.
        if call.direction is Direction.DO and call.name == call.step and call.step not in sent:
            name = call.step.partition("~")[0]
            sent[call.step] = Sent(step=name, instance=call.step, command=call.command)
    return list(sent.values())


async def _start_undoing(
    client: Client, described: WorkflowExecutionDescription, cut_off: _CutOff, request: Request
) -> None:
    recovery = Recovery(
        by=request.by,
        reason=request.reason,
        sent=tuple(cut_off.sent),
        started_at=cut_off.started_at,
        run_id=described.run_id,
        unsettled=cut_off.unsettled,
    )
    with decoding(described.id):
        memo = await described.memo()
    start = {**cut_off.start, "recovery": recovery.model_dump(mode="json")}
    try:
        await client.start_workflow(
            described.workflow_type,
            start,
            id=described.id,
            task_queue=described.task_queue,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
            memo={DIGEST: memo.get(DIGEST)},
            search_attributes=_search_attributes(described),
            priority=turn_of(described.typed_search_attributes.get(CustomerId)),
        )
    except WorkflowAlreadyStartedError:
        raise NotRecoverable(f"{described.id} is being recovered already") from None


def _search_attributes(described: WorkflowExecutionDescription) -> TypedSearchAttributes:
    ours = (SagaType, SagaStatus, CustomerId)
    pairs = described.typed_search_attributes
    return TypedSearchAttributes([pair for pair in pairs if pair.key in ours])


async def _take_up(
    client: Client, described: WorkflowExecutionDescription, begun: RunLog, why: Request
) -> None:
    await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=described.id, run_id=begun.run_id),
            reason=f"recovered by {why.by}: {why.reason}",
            workflow_task_finish_event_id=begun.last_task,
            # Two people who recover one run at once get one and the same new run.
            request_id=f"recover-{described.run_id}",
            identity=client.identity,
        )
    )
