"""One saga of a case, seen from outside: what comes, and how all say that it stands."""

import asyncio
from collections.abc import Callable
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle

from runtime.search_attributes import SagaStatus
from saga.client import Sagas
from saga.events import Status
from saga.handlers import SagaHandlers
from saga.history import SagaHistory, read_saga
from saga.pump import Batch
from saga.start import SagaOutcome
from saga.state import SagaState
from saga.testing.invariants import Definition, Observed, violations
from saga.testing.ledger import Ledger
from saga.testing.posting import How
from saga.testing.subject import Subject

PATIENCE = 45.0
"""Seconds within which whatever a case waits for has come."""
LOOK = 0.02
"""Seconds between two looks."""


class NeverCame(Exception):
    """What a case waited for did not come, so it has tested nothing."""


class Watch:
    """What is to be seen of a saga under test."""

    def __init__(
        self,
        definition: Definition,
        subject: Subject,
        ledger: Ledger,
        client: Client,
        task_queue: str,
        saga_id: str,
    ) -> None:
        self.definition = definition
        self.subject = subject
        self.ledger = ledger
        self.saga_id = saga_id
        self.complaints: list[str] = []
        """What is wrong already, while the saga still goes on."""
        self.sagas = Sagas(client, task_queue)
        self._client = client
        self._handle: WorkflowHandle[Any, Any] = client.get_workflow_handle(saga_id)
        self._run_id: str | None = None

    async def until(self, what: str, ask: Callable[[], bool]) -> None:
        """Wait until it is so."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not ask():  # noqa: ASYNC110 - other processes write the ledger
                    await asyncio.sleep(LOOK)
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
                    await asyncio.sleep(2 * LOOK)
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

    async def heard_of_it(self) -> None:
        """Wait until the workflow has heard of Temporal's own cancel; a lane ends first."""
        heard, asked = False, EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED
        try:
            async with asyncio.timeout(PATIENCE):
                while not heard:
                    await asyncio.sleep(LOOK)
                    history = await self._handle.fetch_history()
                    kinds = [event.event_type for event in history.events]
                    after = kinds[kinds.index(asked) :] if asked in kinds else []
                    heard = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED in after
        except TimeoutError:
            raise NeverCame("it did not hear of the cancel") from None

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

    async def result(self) -> Status:
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


def _newest(batches: list[Batch]) -> SagaState | None:
    """What a row would show, which takes only what is newer."""
    states = [batch.state for batch in batches]
    return max(states, key=lambda it: (it.epoch, it.position, it.version), default=None)
