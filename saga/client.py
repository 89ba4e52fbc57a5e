"""What a client asks of sagas: start one, look at one, cancel, pause, resume and repair it."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError
from temporalio.client import Client, WorkflowHandle
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from runtime.codec import decoding
from runtime.search_attributes import CustomerId, SagaStatus, SagaType
from saga.events import Status
from saga.handlers import SagaHandlers
from saga.identity import DIGEST, saga_id, turn_of
from saga.messages import Headline, SagaCommand, SagaCommandT
from saga.recovery import ENDED_FROM_OUTSIDE, recover
from saga.start import Lane, Repair, Reply, Request, SagaInput, SagaKind, SagaOutcome
from saga.state import SagaState
from saga.versions import VERSION, lift


class DifferentCommand(Exception):
    """The business id belongs to a saga that another command has started."""


@dataclass(frozen=True)
class Found:
    """What Temporal itself knows of a saga, without asking a worker."""

    status: Status
    closed_at: datetime | None


@dataclass(frozen=True)
class Started:
    """A saga that stands under the id that was asked for."""

    saga_id: str
    new: bool
    """Whether this start began it; False when it was there already."""


def digest(command: SagaCommand) -> str:
    """What a command says, in 64 hexadecimal digits; tells a repeated start from another one."""
    said = command.model_dump(mode="json")
    del said[VERSION]  # How it is written, and not what it says.
    content = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


class Sagas:
    """The sagas of one Temporal namespace."""

    def __init__(self, client: Client, task_queue: str, lane: Lane = Lane.STEPWISE) -> None:
        self._client = client
        self._task_queue = task_queue
        self._lane = lane
        """The lane of what is started here, where its type allows that."""

    async def start(self, kind: SagaKind[SagaCommandT], start: SagaInput[SagaCommandT]) -> Started:
        """Start a saga; the same command under the same business id starts nothing new.

        Raises:
            DifferentCommand: another command has that business id.
            NewerSchema: newer code has started the saga of that id.
        """
        express = kind.express and Lane.EXPRESS in (self._lane, start.lane)
        lane = Lane.EXPRESS if express else Lane.STEPWISE
        headline = start.command.headline()
        workflow_id = saga_id(kind.name, headline.business_id)
        fingerprint = digest(start.command)
        try:
            await self._client.start_workflow(
                kind.workflow,
                start.model_copy(update={"lane": lane}),
                id=workflow_id,
                task_queue=self._task_queue,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                memo={DIGEST: fingerprint},
                search_attributes=_search_attributes(kind.name, headline),
                static_summary=start.command.summary(),
                priority=turn_of(headline.customer_id),
            )
        except WorkflowAlreadyStartedError:
            if not await self._started_by(workflow_id, start.command, fingerprint):
                raise DifferentCommand(workflow_id) from None
            return Started(workflow_id, new=False)
        return Started(workflow_id, new=True)

    async def find(self, workflow_id: str) -> Found | None:
        """What Temporal knows of a saga; None when there is no such, or no longer."""
        try:
            description = await self._handle(workflow_id).describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise
        if description.status in ENDED_FROM_OUTSIDE:
            return Found(Status.TERMINATED, description.close_time)
        status = description.typed_search_attributes.get(SagaStatus)
        return Found(Status(status or Status.RUNNING), description.close_time)

    async def _started_by(self, workflow_id: str, command: SagaCommand, fingerprint: str) -> bool:
        """Whether that command has started the saga, be it in an older form of it."""
        handle = self._client.get_workflow_handle(workflow_id)
        described = await handle.describe()
        with decoding(workflow_id):
            memo = await described.memo()
        if memo.get(DIGEST) == fingerprint:
            return True
        # The memo has the digest of the form that it had then; what was read is in today's.
        first = await anext(aiter(handle.fetch_history_events(page_size=1)))
        payloads = first.workflow_execution_started_event_attributes.input.payloads
        with decoding(workflow_id):
            given = await self._client.data_converter.decode(payloads)
        start = given[0] if given else None
        if not isinstance(start, dict) or not isinstance(start.get("command"), dict):
            return False  # The workflow of that id is no saga.
        kind = type(command)
        try:
            started = kind.model_validate(lift(kind.__name__, start["command"]))
        except ValidationError:
            return False  # A command of another type.
        return digest(started) == fingerprint

    async def state(self, workflow_id: str) -> SagaState:
        """What the workflow itself says, ahead of the read model; needs a worker that answers."""
        return await self._handle(workflow_id).query(SagaHandlers.state)

    async def cancel(self, workflow_id: str, request: Request) -> Reply:
        """Ask for the saga to be undone; while the pivot is under way the answer waits for it."""
        return await self._handle(workflow_id).execute_update(SagaHandlers.cancel, request)

    async def recover(self, workflow_id: str, request: Request) -> Reply:
        """Undo a saga that was ended from outside, by the same keys.

        One that had sent its pivot is not undone but taken up; the reply says which.

        Raises:
            NotRecoverable: it still runs, or had come to its outcome, or nothing had begun.
        """
        return await recover(self._client, workflow_id, request)

    async def pause(self, workflow_id: str, request: Request) -> Reply:
        """Hold the saga before its next call."""
        return await self._handle(workflow_id).execute_update(SagaHandlers.pause, request)

    async def resume(self, workflow_id: str, request: Request) -> Reply:
        """Let a paused saga go on."""
        return await self._handle(workflow_id).execute_update(SagaHandlers.resume, request)

    async def repair(self, workflow_id: str, repair: Repair) -> Reply:
        """Decide how a stuck step goes on."""
        return await self._handle(workflow_id).execute_update(SagaHandlers.repair, repair)

    def _handle(self, workflow_id: str) -> WorkflowHandle[SagaHandlers, SagaOutcome]:
        return self._client.get_workflow_handle(workflow_id, result_type=SagaOutcome)


def _search_attributes(saga_type: str, headline: Headline) -> TypedSearchAttributes:
    pairs = [
        SearchAttributePair(SagaType, saga_type),
        SearchAttributePair(SagaStatus, Status.RUNNING),
    ]
    if headline.customer_id is not None:
        pairs.append(SearchAttributePair(CustomerId, headline.customer_id))
    return TypedSearchAttributes(pairs)
