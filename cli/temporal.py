"""The sagas in Temporal, of any type, as a command asks for them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, Self, TypeAlias
from urllib.parse import quote

from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import FailureError
from temporalio.service import RPCError, RPCStatusCode

from cli.problems import NoAnswer
from cli.saga_id import SagaId
from runtime.connection import configured_address, configured_namespace, connect
from runtime.record import read_record
from runtime.search_attributes import SagaType, registration_commands
from runtime.settings import Settings
from saga import (
    Event,
    JsonObject,
    Lane,
    NotRecoverable,
    Reply,
    SagaHistory,
    SagaInput,
    SagaKind,
    Sagas,
    SagaState,
    follow_saga,
    read_saga,
)
from saga.client import Found
from saga.history import NoSaga
from saga.messages import SagaCommandT

QUERY_TIMEOUT = 1.5
"""Seconds; a worker that is there answers in milliseconds, and without one Temporal is silent."""

Question: TypeAlias = Callable[[Sagas, str], Awaitable[Reply]]
"""What a person asks of the saga with a workflow id, e.g. to cancel it."""


class SagaRun(NamedTuple):
    """A run of a saga's workflow, as a list in Temporal has it."""

    saga: SagaId
    execution: WorkflowExecution


class TemporalSagas:
    """The sagas of one namespace; every method raises NoAnswer when the server is away."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self.client = client
        self._sagas = Sagas(client, settings.saga_task_queue, Lane(settings.saga_lane))

    @classmethod
    async def connect(cls, settings: Settings) -> Self:
        """Connect to the server of the settings; raises SettingsError or ServerUnreachable."""
        return cls(await connect(settings), settings)

    async def start(self, kind: SagaKind[SagaCommandT], start: SagaInput[SagaCommandT]) -> bool:
        """Start a saga; False when it was started before.

        Raises:
            DifferentCommand: another command has that business id.
        """
        with self.answering():
            return (await self._sagas.start(kind, start)).new

    async def state(self, saga: SagaId) -> SagaState | None:
        """What the saga itself says; None when no worker answers for it."""
        try:
            async with asyncio.timeout(QUERY_TIMEOUT):
                return await self._sagas.state(saga.workflow_id)
        except (TimeoutError, WorkflowQueryFailedError, RPCError):
            # Whether it is the server that is silent, `find` tells.
            return None

    async def find(self, saga: SagaId) -> Found | None:
        """What Temporal knows of a saga; None when there is no such, or no longer."""
        with self.answering():
            return await self._sagas.find(saga.workflow_id)

    async def history(self, saga: SagaId) -> SagaHistory | None:
        """All that the server has of a saga; None when it has nothing, or no longer.

        Raises:
            NoSaga: the workflow of that id is something else.
        """
        with self.answering():
            history = await read_saga(self.client, saga.workflow_id)
        if history is not None and not history.is_saga:
            raise NoSaga(history.runs[-1])
        return history

    async def follow(self, saga: SagaId) -> AsyncIterator[Event[JsonObject]]:
        """A saga's events as they come, until it has closed; none if there is no such."""
        with self.answering():
            try:
                async for event in follow_saga(self.client, saga.workflow_id):
                    yield event
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise

    async def ask(self, saga: SagaId, question: Question) -> Reply | None:
        """The saga's reply, its refusal too; None when it has ended, or never was.

        Waits until a worker has answered, which for a cancel while the pivot is under way is
        after the pivot.
        """
        while True:
            with self.answering():
                try:
                    return await question(self._sagas, saga.workflow_id)
                except WorkflowUpdateRPCTimeoutOrCancelledError:
                    # The SDK tells our own cancellation so, too.
                    task = asyncio.current_task()
                    if task is None or task.cancelling():
                        raise asyncio.CancelledError from None
                except WorkflowUpdateFailedError as error:
                    why = error.cause.message if isinstance(error.cause, FailureError) else error
                    return await self._declined(saga, str(why))
                except NotRecoverable as error:
                    return await self._declined(saga, str(error))
                except RPCError as error:
                    if error.status is RPCStatusCode.NOT_FOUND:
                        return None
                    raise

    async def _declined(self, saga: SagaId, why: str) -> Reply | None:
        found = await self.find(saga)
        if found is None:
            return None
        return Reply(accepted=False, status=found.status, message=why)

    async def running(self, saga_type: str | None, more: str = "") -> AsyncIterator[SagaRun]:
        """The runs that have not ended and for which `more` holds, the newest first."""
        async for run in self._runs(f"ExecutionStatus = 'Running'{more}", saga_type):
            yield run

    async def ended_from_outside(self, saga_type: str | None) -> AsyncIterator[SagaRun]:
        """The runs that did not end by themselves, the newest first."""
        ended = "ExecutionStatus IN ('Terminated', 'TimedOut', 'Failed')"
        async for run in self._runs(ended, saga_type):
            yield run

    async def every(self, saga_type: str, saga: SagaId | None = None) -> AsyncIterator[SagaRun]:
        """All runs of a type, or of one saga, that the server still has, the newest first."""
        named = "IS NOT NULL" if saga is None else f"= '{saga.workflow_id}'"
        async for run in self._runs(f"WorkflowId {named}", saga_type):
            yield run

    async def _runs(self, condition: str, saga_type: str | None) -> AsyncIterator[SagaRun]:
        typed = "IS NOT NULL" if saga_type is None else f"= '{saga_type}'"
        with self.answering():
            async for execution in self.client.list_workflows(f"{condition} AND SagaType {typed}"):
                kind = execution.typed_search_attributes.get(SagaType)
                if kind is not None:
                    yield SagaRun(SagaId.of_workflow(kind, execution.id), execution)

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Tell in one line what the server does not do."""
        try:
            yield
        except RPCError as error:
            raise NoAnswer(self._why(error)) from error

    def _why(self, error: RPCError) -> str:
        server = f"the Temporal server at {self.client.service_client.config.target_host}"
        said = f"{error.status.name}: {error.message}"
        if error.status is not RPCStatusCode.INVALID_ARGUMENT:
            return f"{server} does not answer ({said}); start it or set TEMPORAL_ADDRESS"
        if "search attribute" not in error.message.lower():
            return f"{server} refuses this ({said})"
        commands = registration_commands(self.client.namespace)
        return f"{server} lacks search attributes: start a worker, or run once: {commands}"


def web_ui(settings: Settings, saga: SagaId) -> str | None:
    """The address of a saga in the Web UI, where that is known."""
    record = read_record(settings)
    if record.ui_url is None or configured_address() not in {None, record.temporal_address}:
        return None
    workflow = f"workflows/{quote(saga.workflow_id, safe='')}"
    return f"{record.ui_url}/namespaces/{configured_namespace()}/{workflow}"
