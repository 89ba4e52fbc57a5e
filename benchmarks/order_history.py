"""What one order leaves in its history, engine and hand side by side."""

import asyncio
from dataclasses import dataclass
from uuid import uuid4

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHistory

from benchmarks.counted_worker import workers
from benchmarks.crowd import ORDER_TIMEOUT, SKU, MeasurementFailed
from benchmarks.instant import NOWHERE, InstantParticipants
from contracts.commands import Line, PlaceOrder
from saga import SagaInput, SagaKind, SagaOutcome, Sagas, Status

SETTLED = "settled"
"""A task queue whose steps wait until what was projected is taken in."""
ENDINGS = {Status.COMPLETED: "1 Main Street, Springfield", Status.COMPENSATED: NOWHERE}
"""The endings that are measured, and the addresses that bring them."""


@dataclass(frozen=True, order=True)
class HistorySize:
    """How long a history is."""

    events: int
    workflow_tasks: int
    size: int
    """In bytes."""

    @classmethod
    def of(cls, history: WorkflowHistory) -> "HistorySize":
        """Count."""
        tasks = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
        return cls(
            events=len(history.events),
            workflow_tasks=sum(event.event_type == tasks for event in history.events),
            size=sum(event.ByteSize() for event in history.events),
        )


async def place(sagas: Sagas, client: Client, kind: SagaKind[PlaceOrder], ending: Status) -> str:
    """Place an order and wait for its workflow to close; the workflow's id.

    Raises:
        MeasurementFailed: it has ended otherwise, or not at all.
    """
    order = PlaceOrder(
        order_id=str(uuid4()),
        customer_id="crowd",
        items=(Line(sku=SKU, quantity=1, unit_price_minor=1250),),
        card_token="tok_visa",  # noqa: S106 - the reference payment service's
        ship_to=ENDINGS[ending],
    )
    started = await sagas.start(kind, SagaInput(command=order))
    handle = client.get_workflow_handle(started.saga_id, result_type=SagaOutcome)
    try:
        async with asyncio.timeout(ORDER_TIMEOUT):
            outcome = await handle.result()
    except TimeoutError:
        late = f"{started.saga_id} has not ended after {ORDER_TIMEOUT:.0f} s"
        raise MeasurementFailed(late) from None
    if outcome.status is not ending:
        raise MeasurementFailed(f"{started.saga_id} was {outcome.status}: {outcome.failure}")
    return started.saga_id


async def shortest_history(
    client: Client, kind: SagaKind[PlaceOrder], ending: Status, *, rounds: int
) -> HistorySize:
    """The shortest history of a few orders, one after the other.

    Whatever else the machine does can only make it longer, when a timer fires.
    """
    sagas, sizes = Sagas(client, SETTLED), []
    steps, rows = workers(client, SETTLED, InstantParticipants(client))
    async with steps, rows:
        for _ in range(rounds):
            placed = await place(sagas, client, kind, ending)
            history = await client.get_workflow_handle(placed).fetch_history()
            sizes.append(HistorySize.of(history))
    return min(sizes)
