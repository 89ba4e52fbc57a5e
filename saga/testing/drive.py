"""One saga of a case: started and steered from outside, as its customers would."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowUpdateFailedError,
    WorkflowUpdateStage,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode

from saga.events import RepairAction
from saga.handlers import SagaHandlers
from saga.start import Lane, Repair, Reply, Request
from saga.testing.invariants import Definition, Observed
from saga.testing.ledger import Ledger
from saga.testing.subject import Subject
from saga.testing.watch import NeverCame, Watch

CUSTOMER = Request(by="customer", reason="changed their mind")
OPERATOR = Request(by="operator", reason="it was mended")
_TASK_TIMEOUT = timedelta(seconds=2)
"""How long the server waits for a worker that was killed within a workflow task."""


class CannotHappen(Exception):
    """A case makes no sense for this saga, as only its run could show."""


class Drive(Watch):
    """A saga under test, before its start."""

    def __init__(
        self,
        definition: Definition,
        subject: Subject,
        ledger: Ledger,
        client: Client,
        task_queue: str,
    ) -> None:
        self._business_id = str(uuid4())
        saga_id = subject.saga_id(self._business_id)
        super().__init__(definition, subject, ledger, client, task_queue, saga_id)
        self.replies: list[Reply] = []
        """What was answered to cancels."""
        self._task_queue = task_queue

    async def start(self, *, deadline: timedelta | None = None, paused: bool = False) -> None:
        """Start the saga, paused before its first step if asked for."""
        start = self.subject.start(self._business_id).model_copy(update={"deadline": deadline})
        if not paused:
            await self._client.start_workflow(
                self.subject.kind.workflow,
                start,
                id=self.saga_id,
                task_queue=self._task_queue,
                task_timeout=_TASK_TIMEOUT,
            )
            return
        operation: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
            self.subject.kind.workflow,
            start,
            id=self.saga_id,
            task_queue=self._task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
        )
        await self._client.execute_update_with_start_workflow(
            SagaHandlers.pause, OPERATOR, start_workflow_operation=operation
        )

    # What people do.

    async def cancel(self) -> None:
        """Cancel by the saga's own update, or by Temporal's means where it has none."""
        if not self.subject.on_engine:
            await self.cancel_by_temporal()
            return
        async with _unless_closed():
            await self._told(self.sagas.cancel(self.saga_id, CUSTOMER))

    async def begin_cancel(self) -> Callable[[], Awaitable[None]]:
        """Cancel where the answer waits for something; what is returned waits for the answer."""
        if not self.subject.on_engine:
            await self.cancel_by_temporal()
            return _nothing
        update = await self._handle.start_update(
            SagaHandlers.cancel, CUSTOMER, wait_for_stage=WorkflowUpdateStage.ACCEPTED
        )
        return lambda: self._told(update.result())

    async def _told(self, asked: Awaitable[Reply]) -> None:
        self.replies.append(await asked)

    async def cancel_by_temporal(self) -> None:
        """Cancel by Temporal's own means."""
        async with _unless_closed():
            await self._handle.cancel()

    async def pause(self) -> None:
        """Pause the saga."""
        await self.sagas.pause(self.saga_id, OPERATOR)

    async def resume(self) -> None:
        """Let it go on."""
        async with _unless_closed():
            await self.sagas.resume(self.saga_id, OPERATOR)

    def recover(self, call: str | None = None) -> None:
        """Take back the faults of a call; what is held goes on."""
        self.ledger.recover(self.saga_id, call)

    async def repair(self, call: str) -> None:
        """Mend a call and tell the saga to try it again, as soon as it waits for that."""
        self.recover(call)
        repair = Repair(
            by=OPERATOR.by, reason=OPERATOR.reason, step=call, action=RepairAction.RETRY
        )
        try:
            await self.sagas.repair(self.saga_id, repair)
        except WorkflowUpdateFailedError as error:
            raise NeverCame(f"{call} could not be repaired: {error.cause}") from error

    async def reset_before(self, call: str) -> None:
        """Wait for the end, then reset the workflow to just before it sent this call."""
        try:
            await self.result()
        except TimeoutError:
            raise NeverCame("it did not end before the reset") from None
        task = None
        async for event in self._handle.fetch_history_events():
            sent = event.activity_task_scheduled_event_attributes
            if event.HasField("activity_task_scheduled_event_attributes") and call in (
                sent.activity_id,
                sent.activity_type.name.replace("_", "-"),
            ):
                task = sent.workflow_task_completed_event_id
                break
            done = event.workflow_task_completed_event_attributes
            if self.subject.lane is Lane.EXPRESS and done.scheduled_event_id and task is None:
                # In the first task the lane may have called it.
                task = event.event_id
        if task is None:
            raise NeverCame(f"{call} was never sent")
        described = await self._handle.describe()
        reply = await self._client.workflow_service.reset_workflow_execution(
            ResetWorkflowExecutionRequest(
                namespace=self._client.namespace,
                workflow_execution=WorkflowExecution(
                    workflow_id=self.saga_id, run_id=described.run_id
                ),
                reason="the failure matrix",
                workflow_task_finish_event_id=task,
                request_id=f"{self.saga_id}-{task}",
            )
        )
        self._run_id = reply.run_id
        self._handle = self._client.get_workflow_handle(self.saga_id, run_id=reply.run_id)

    # How it ends.

    async def end(self) -> Observed:
        """The saga as it stands when its workflow has closed, or has not in all that time."""
        try:
            claims = await self.result()
        except TimeoutError:
            seen = await self.observe(claims=None, closed=False)
            await self.abandon()
            return seen
        return await self.observe(claims=claims, closed=True)

    async def abandon(self) -> None:
        """Leave the saga to nobody."""
        self.recover()
        await self._handle.terminate("the failure matrix does not need it")


@asynccontextmanager
async def _unless_closed() -> AsyncIterator[None]:
    """What is asked of a workflow that has closed meanwhile is not asked at all."""
    try:
        yield
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise


async def _nothing() -> None:
    return
