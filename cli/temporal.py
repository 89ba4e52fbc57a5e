"""The order sagas in Temporal, as a command asks for them."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import FailureError
from temporalio.service import RPCError, RPCStatusCode

from cli.problems import DifferentOrder, NoAnswer
from contracts.commands import PlaceOrder
from contracts.sagas import ORDER, PUBLICATION
from runtime.connection import configured_address, configured_namespace, connect
from runtime.record import read_record
from runtime.search_attributes import SagaStatus, registration_commands
from runtime.settings import Settings
from saga import DifferentCommand, Reply, Request, SagaInput, Sagas, SagaState, Status, saga_id

QUERY_TIMEOUT = 1.5
"""Seconds; a worker that is there answers in milliseconds, and without one Temporal is silent."""

_ENDED_FROM_OUTSIDE = {
    WorkflowExecutionStatus.TERMINATED,
    WorkflowExecutionStatus.TIMED_OUT,
    WorkflowExecutionStatus.FAILED,
}


@dataclass(frozen=True)
class Found:
    """What Temporal itself knows of an order's saga, without asking a worker."""

    status: Status
    closed: bool


class OrderSagas:
    """The order sagas of one namespace; every method raises NoAnswer when the server is away."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self._sagas = Sagas(client, settings.saga_task_queue)
        # Without a broker nobody would take what is to be published.
        self._sinks = (PUBLICATION,) if settings.event_broker_url else ()

    @classmethod
    async def connect(cls, settings: Settings) -> Self:
        """Connect to the server of the settings; raises SettingsError or ServerUnreachable."""
        return cls(await connect(settings), settings)

    async def place(
        self, order: PlaceOrder, correlation_id: str | None, deadline: timedelta
    ) -> bool:
        """Place an order; False when it was placed before.

        Raises:
            DifferentOrder: another order has this id.
        """
        start = SagaInput(
            command=order, correlation_id=correlation_id, deadline=deadline, sinks=self._sinks
        )
        with self._answering():
            try:
                return (await self._sagas.start(ORDER, start)).new
            except DifferentCommand:
                raise DifferentOrder(order.order_id) from None

    async def state(self, order_id: str) -> SagaState | None:
        """What the saga itself says; None when no worker answers for it."""
        try:
            async with asyncio.timeout(QUERY_TIMEOUT):
                return await self._sagas.state(saga_of(order_id))
        except (TimeoutError, WorkflowQueryFailedError, RPCError):
            # Whether it is the server that is silent, `find` tells.
            return None

    async def find(self, order_id: str) -> Found | None:
        """What Temporal knows of an order; None when there is no such, or no longer."""
        handle = self._client.get_workflow_handle(saga_of(order_id))
        with self._answering():
            try:
                description = await handle.describe()
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    return None
                raise
        if description.status in _ENDED_FROM_OUTSIDE:
            return Found(Status.TERMINATED, closed=True)
        status = description.typed_search_attributes.get(SagaStatus)
        return Found(
            Status(status or Status.RUNNING),
            closed=description.status is not WorkflowExecutionStatus.RUNNING,
        )

    async def cancel(self, order_id: str, request: Request) -> Reply | None:
        """Ask for an order to be undone; None when it has ended, or never was.

        Waits until a worker has answered, which while the shipment is being made is after it.
        """
        while True:
            with self._answering():
                try:
                    return await self._sagas.cancel(saga_of(order_id), request)
                except WorkflowUpdateRPCTimeoutOrCancelledError:
                    # The SDK tells our own cancellation so, too.
                    task = asyncio.current_task()
                    if task is None or task.cancelling():
                        raise asyncio.CancelledError from None
                except WorkflowUpdateFailedError as error:
                    why = error.cause.message if isinstance(error.cause, FailureError) else error
                    raise NoAnswer(f"order {order_id} cannot be cancelled now: {why}") from None
                except RPCError as error:
                    if error.status is RPCStatusCode.NOT_FOUND:
                        return None
                    raise

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except RPCError as error:
            raise NoAnswer(self._why(error)) from error

    def _why(self, error: RPCError) -> str:
        server = f"the Temporal server at {self._client.service_client.config.target_host}"
        said = f"{error.status.name}: {error.message}"
        if error.status is not RPCStatusCode.INVALID_ARGUMENT:
            return f"{server} does not answer ({said}); start it or set TEMPORAL_ADDRESS"
        if "search attribute" not in error.message.lower():
            return f"{server} refuses this ({said})"
        commands = registration_commands(self._client.namespace)
        return f"{server} lacks search attributes: start a worker, or run once: {commands}"


def saga_of(order_id: str) -> str:
    """The id of an order's saga."""
    return saga_id(ORDER.name, order_id)


def web_ui(settings: Settings, order_id: str) -> str | None:
    """The address of an order's saga in the Web UI, where that is known."""
    record = read_record(settings)
    if record.ui_url is None or configured_address() not in {None, record.temporal_address}:
        return None
    workflow = f"workflows/{saga_of(order_id)}"
    return f"{record.ui_url}/namespaces/{configured_namespace()}/{workflow}"
