"""The sagas whose workflow tasks fail by a bug; their status says that they run."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from cli.problems import NoAnswer
from cli.saga_id import SagaId
from cli.temporal import SagaRun, TemporalSagas
from cli.terminal import one_line

_AT_ONCE = 20
_PAGE = 50
_REPORTED = " AND TemporalReportedProblems IS NOT NULL"
"""Newer servers set it by themselves, after about a minute of failures."""


@dataclass(frozen=True)
class Bug:
    """A saga whose workflow task has failed, and will until its code is mended."""

    saga: SagaId
    since: datetime
    attempts: int
    cause: str
    message: str
    """One line."""

    @property
    def document(self) -> dict[str, object]:
        """As `stuck --bugs --json` has it."""
        return {
            **self.saga.members,
            "since": self.since.isoformat().replace("+00:00", "Z"),
            "attempts": self.attempts,
            "cause": self.cause,
            "message": self.message,
        }


@dataclass(frozen=True)
class Looked:
    """What was found, in how many sagas, and whether these were all that run."""

    bugs: list[Bug]
    at: int
    complete: bool


async def find_bugs(sagas: TemporalSagas, saga_type: str | None, limit: int) -> Looked:
    """The sagas that a bug in workflow code holds, the longest first.

    Looked at are those that the server reports, and the newest that run, `limit` of each.
    """
    newest, cut = await _first(sagas.running(saga_type), limit)
    reported = await _reported(sagas, saga_type, limit)
    runs = {run.execution.run_id: run for run in [*reported, *newest]}
    gate = asyncio.Semaphore(_AT_ONCE)
    with sagas.answering():
        looked = await asyncio.gather(*(_look(sagas.client, run, gate) for run in runs.values()))
    bugs = sorted((bug for bug in looked if bug is not None), key=lambda bug: bug.since)
    return Looked(bugs, at=len(runs), complete=not cut)


async def _reported(sagas: TemporalSagas, saga_type: str | None, limit: int) -> list[SagaRun]:
    try:
        return (await _first(sagas.running(saga_type, _REPORTED), limit))[0]
    except NoAnswer as problem:
        cause = problem.__cause__
        if isinstance(cause, RPCError) and cause.status is RPCStatusCode.INVALID_ARGUMENT:
            return []
        raise


async def _first(runs: AsyncIterator[SagaRun], limit: int) -> tuple[list[SagaRun], bool]:
    """The first so many, and whether there are more."""
    first: list[SagaRun] = []
    async for run in runs:
        if len(first) == limit:
            return first, True
        first.append(run)
    return first, False


async def _look(client: Client, run: SagaRun, gate: asyncio.Semaphore) -> Bug | None:
    execution = run.execution
    async with gate:
        handle = client.get_workflow_handle(execution.id, run_id=execution.run_id)
        task = (await handle.describe()).raw_description.pending_workflow_task
        if task.attempt <= 1:
            return None
        failures = await _failures(client, execution.id, execution.run_id)
    if not failures:
        return None
    cause, message = await _told(client, failures[0])
    since = failures[-1].event_time.ToDatetime(UTC)
    return Bug(run.saga, since, task.attempt - 1, cause, message)


async def _failures(client: Client, workflow_id: str, run_id: str) -> list[HistoryEvent]:
    """The failures at the end of a history, the last first; the server keeps the first few."""
    request = GetWorkflowExecutionHistoryReverseRequest(
        namespace=client.namespace,
        execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
        maximum_page_size=_PAGE,
    )
    answer = await client.workflow_service.get_workflow_execution_history_reverse(request)
    failures = []
    for event in answer.history.events:
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            break
        if event.event_type in {
            EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
            EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
        }:
            failures.append(event)
    return failures


async def _told(client: Client, event: HistoryEvent) -> tuple[str, str]:
    """The cause in the server's words, and the first line of the error and of what caused it."""
    if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT:
        return "timed-out", "the worker did not answer in time; does it end on the way?"
    failed = event.workflow_task_failed_event_attributes
    name = WorkflowTaskFailedCause.Name(failed.cause).removeprefix("WORKFLOW_TASK_FAILED_CAUSE_")
    error: BaseException | None = await client.data_converter.decode_failure(failed.failure)
    lines = []
    while error is not None:
        lines += str(error).splitlines()[:1]
        error = error.__cause__
    return name.lower().replace("_", "-"), one_line(": ".join(lines))
