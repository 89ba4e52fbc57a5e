"""One saga of a case: started, steered and observed from outside, as its customers would."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateStage,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode

from runtime.search_attributes import SagaStatus
from saga.client import Sagas
from saga.events import RepairAction, Status
from saga.handlers import SagaHandlers
from saga.history import SagaHistory, read_saga
from saga.pump import Batch
from saga.start import Lane, Repair, Reply, Request, SagaOutcome
from saga.state import SagaState
from saga.testing.invariants import Definition, Observed, violations
from saga.testing.ledger import Ledger
from saga.testing.posting import How
from saga.testing.subject import Subject

CUSTOMER = Request(by="customer", reason="changed their mind")
OPERATOR = Request(by="operator", reason="it was mended")
PATIENCE = 45.0
"""Seconds within which whatever a case waits for has come."""
_LOOK = 0.02
_TASK_TIMEOUT = timedelta(seconds=2)
"""How long the server waits for a worker that was killed within a workflow task."""


class NeverCame(Exception):
    """What a case waited for did not come, so it has tested nothing."""


class CannotHappen(Exception):
    """A case makes no sense for this saga, as only its run could show."""


class Drive:
    """A saga under test, before its start."""

    def __init__(
        self,
        definition: Definition,
        subject: Subject,
        ledger: Ledger,
        client: Client,
        task_queue: str,
    ) -> None:
        self.definition = definition
        self.subject = subject
        self.ledger = ledger
        business_id = str(uuid4())
        self.saga_id = subject.saga_id(business_id)
        self.complaints: list[str] = []
        """What is wrong already, while the saga still goes on."""
        self.replies: list[Reply] = []
        """What was answered to cancels."""
        self.sagas = Sagas(client, task_queue)
        self._client = client
        self._task_queue = task_queue
        self._business_id = business_id
        self._handle: WorkflowHandle[Any, Any] = client.get_workflow_handle(self.saga_id)
        self._run_id: str | None = None

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

    # What comes.

    async def until(self, what: str, ask: Callable[[], bool]) -> None:
        """Wait until it is so."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not ask():  # noqa: ASYNC110 - other processes write the ledger
                    await asyncio.sleep(_LOOK)
        except TimeoutError:
            raise NeverCame(what) from None

    async def struck(self, call: str) -> None:
        """Wait until a fault has struck this call."""
        await self.until(
            f"no fault has struck {call}", lambda: self.ledger.reached(self.saga_id, call)
        )

    async def called(self, call: str, *, times: int = 1) -> None:
        """Wait until a call has come so often."""
        await self.until(
            f"{call} was not called {times} times",
            lambda: self.ledger.calls(self.saga_id).count(call) >= times,
        )

    async def stands(self, what: str, so: Callable[[SagaState], bool]) -> SagaState:
        """Wait until the saga's state is so."""
        state = await self.sagas.state(self.saga_id)
        try:
            async with asyncio.timeout(PATIENCE):
                while not so(state):
                    await asyncio.sleep(2 * _LOOK)
                    state = await self.sagas.state(self.saga_id)
        except TimeoutError:
            raise NeverCame(f"{what}: {state.status}, {state.steps}") from None
        return state

    async def stuck(self) -> None:
        """Wait until the saga is stuck and everybody says so."""
        await self.stands("it did not get stuck", lambda state: state.status is Status.STUCK)
        if self.subject.sinks:
            await self.until("the projection did not get stuck", self._projected_stuck)

    def _projected_stuck(self) -> bool:
        newest = _newest(self._batches())
        return newest is not None and newest.status is Status.STUCK

    def _batches(self) -> list[Batch]:
        handed = [
            batch
            for sink in self.subject.sinks[:1]
            for batch in self.ledger.batches(self.saga_id, sink.name)
        ]
        return [Batch.model_validate_json(batch) for batch in handed]

    async def check(self) -> None:
        """Look whether the saga, which is at rest, is all right as it stands."""
        seen = await self.observe(claims=None, closed=False)
        self.complaints += violations(self.definition, self.ledger.postings(self.saga_id), seen)

    async def ended(self, call: str) -> None:
        """Wait until the participant has given this call its last word."""
        last = (How.ANSWERED, How.REFUSED)
        await self.until(
            f"{call} did not end",
            lambda: any(
                it.name == call and it.how in last for it in self.ledger.postings(self.saga_id)
            ),
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

    async def heard_of_it(self) -> None:
        """Wait until the workflow has heard of such a cancel; a lane ends first."""
        heard, asked = False, EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED
        try:
            async with asyncio.timeout(PATIENCE):
                while not heard:
                    await asyncio.sleep(_LOOK)
                    history = await self._handle.fetch_history()
                    kinds = [event.event_type for event in history.events]
                    after = kinds[kinds.index(asked) :] if asked in kinds else []
                    heard = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED in after
        except TimeoutError:
            raise NeverCame("it did not hear of the cancel") from None

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
            await self._result()
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

    # What is there to see.

    async def end(self) -> Observed:
        """The saga as it stands when its workflow has closed, or has not in all that time."""
        try:
            claims = await self._result()
        except TimeoutError:
            seen = await self.observe(claims=None, closed=False)
            await self.abandon()
            return seen
        return await self.observe(claims=claims, closed=True)

    async def abandon(self) -> None:
        """Leave the saga to nobody."""
        self.recover()
        await self._handle.terminate("the failure matrix does not need it")

    async def observe(self, *, claims: Status | None, closed: bool) -> Observed:
        """The saga as all say it stands."""
        state, attribute, history, batches = None, None, None, self._batches()
        if self.subject.on_engine:
            state, history = await self._told_alike()
            described = await self._handle.describe()
            attribute = described.typed_search_attributes.get(SagaStatus)
        return Observed(
            closed=closed,
            claims=claims,
            state=state,
            attribute=attribute,
            projected=_newest(batches),
            handed=tuple(batches),
            history=history,
        )

    async def _told_alike(self) -> tuple[SagaState, SagaHistory | None]:
        """The saga's state and its history of one moment: nothing happened in between."""
        state: SagaState = await self._handle.query(SagaHandlers.state)
        while True:
            history = await read_saga(self._client, self.saga_id)
            later: SagaState = await self._handle.query(SagaHandlers.state)
            if later == state:
                return state, history
            state = later

    async def _result(self) -> Status:
        """What the closed workflow says of itself; raises TimeoutError."""
        handle = self._client.get_workflow_handle(
            self.saga_id, run_id=self._run_id, result_type=SagaOutcome
        )
        try:
            async with asyncio.timeout(PATIENCE):
                outcome = await handle.result()
        except WorkflowFailureError:
            # It says that it has failed, or was cancelled: that nothing of it stays.
            return Status.COMPENSATED
        return outcome.status if self.subject.on_engine else Status.COMPLETED


@asynccontextmanager
async def _unless_closed() -> AsyncIterator[None]:
    """What is asked of a workflow that has closed meanwhile is not asked at all."""
    try:
        yield
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise


def _newest(batches: list[Batch]) -> SagaState | None:
    """What a row would show, which takes only what is newer."""
    states = [batch.state for batch in batches]
    return max(states, key=lambda it: (it.epoch, it.position, it.version), default=None)


async def _nothing() -> None:
    return
