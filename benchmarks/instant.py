"""Participants and a read database that answer at once, so that nothing but the saga costs."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHistory

from contracts import commands, events
from contracts.money import Money
from saga import Batch, Call, DomainEvent, Event, answered, refused

NOWHERE = "nowhere"
"""An address to which nothing is delivered."""
_POLL = 0.01


class InstantParticipants:
    """The activities of an order, without a service behind them.

    With a client, each step waits until the saga has taken in what was projected: then a history
    doesn't hang on which of two answers was faster.
    """

    def __init__(self, client: Client | None = None) -> None:
        self._client = client

    def activities(self) -> list[Callable[..., Awaitable[object]]]:
        """What a worker registers for the steps."""
        return [
            self.create_order,
            self.cancel_order,
            self.confirm_order,
            self.charge_payment,
            self.refund_payment,
            self.reserve_stock,
            self.release_stock,
            self.create_shipment,
            self.find_shipment,
            self.cancel_shipment,
        ]

    @activity.defn
    async def create_order(self, call: Call[commands.CreateOrder]) -> Event[events.OrderCreated]:
        it = call.command
        event = events.OrderCreated(
            order_id=it.order_id, customer_id=it.customer_id, total=it.total, items=it.items
        )
        return await self._answer(call, event)

    @activity.defn
    async def cancel_order(self, call: Call[commands.CancelOrder]) -> Event[events.OrderCancelled]:
        return await self._answer(call, events.OrderCancelled(order_id=call.command.order_id))

    @activity.defn
    async def confirm_order(
        self, call: Call[commands.ConfirmOrder]
    ) -> Event[events.OrderConfirmed]:
        it = call.command
        event = events.OrderConfirmed(order_id=it.order_id, shipment_id=it.shipment_id)
        return await self._answer(call, event)

    @activity.defn
    async def charge_payment(
        self, call: Call[commands.ChargePayment]
    ) -> Event[events.PaymentProcessed]:
        it = call.command
        event = events.PaymentProcessed(
            payment_id=it.payment_id, order_id=it.order_id, amount=it.total, transaction_id="t-1"
        )
        return await self._answer(call, event)

    @activity.defn
    async def refund_payment(
        self, call: Call[commands.RefundPayment]
    ) -> Event[events.PaymentRefunded]:
        it = call.command
        amount = Money(minor=it.total.minor, currency=it.total.currency)
        event = events.PaymentRefunded(
            payment_id=it.payment_id, order_id=it.order_id, amount=amount
        )
        return await self._answer(call, event)

    @activity.defn
    async def reserve_stock(
        self, call: Call[commands.ReserveStock]
    ) -> Event[events.InventoryReserved]:
        it = call.command
        event = events.InventoryReserved(reservation_id=it.reservation_id, order_id=it.order_id)
        return await self._answer(call, event)

    @activity.defn
    async def release_stock(
        self, call: Call[commands.ReleaseStock]
    ) -> Event[events.InventoryReleased]:
        it = call.command
        event = events.InventoryReleased(reservation_id=it.reservation_id, order_id=it.order_id)
        return await self._answer(call, event)

    @activity.defn
    async def create_shipment(
        self, call: Call[commands.CreateShipment]
    ) -> Event[events.ShipmentCreated]:
        it = call.command
        if it.address == NOWHERE:
            await self._settled(call)
            raise refused(call, "urn:problem:shipping:undeliverable", "No carrier goes there.")
        event = events.ShipmentCreated(
            shipment_id=it.shipment_id, order_id=it.order_id, tracking_number="track-1"
        )
        return await self._answer(call, event)

    @activity.defn
    async def find_shipment(
        self, call: Call[commands.CreateShipment]
    ) -> Event[events.ShipmentCreated]:
        it = call.command
        if it.address == NOWHERE:
            await self._settled(call)
            raise refused(call, "urn:problem:shipping:undeliverable", "No carrier goes there.")
        event = events.ShipmentCreated(
            shipment_id=it.shipment_id, order_id=it.order_id, tracking_number="track-1"
        )
        return await self._answer(call, event)

    @activity.defn
    async def cancel_shipment(
        self, call: Call[commands.CancelShipment]
    ) -> Event[events.ShipmentCancelled]:
        it = call.command
        event = events.ShipmentCancelled(shipment_id=it.shipment_id, order_id=it.order_id)
        return await self._answer(call, event)

    async def _answer(self, call: Call[Any], event: DomainEvent) -> Event[Any]:
        await self._settled(call)
        return answered(call, event, version=1, occurred_at=datetime.now(UTC))

    async def _settled(self, call: Call[Any]) -> None:
        if self._client is None:
            return
        handle = self._client.get_workflow_handle(call.saga_id)
        while not _all_projected(await handle.fetch_history()):  # noqa: ASYNC110 - a server has it
            await asyncio.sleep(_POLL)


class InstantReadDatabase:
    """A read database that keeps nothing."""

    @activity.defn
    async def project_saga(self, batch: Batch) -> None:
        """Take the batch."""


def _all_projected(history: WorkflowHistory) -> bool:
    """Whether the workflow has taken in the end of every projection that it has begun."""
    waiting: set[int] = set()
    ended: set[int] = set()
    for event in history.events:
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            scheduled = event.activity_task_scheduled_event_attributes
            if scheduled.activity_type.name == "project_saga":
                waiting.add(event.event_id)
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
            ended.add(event.activity_task_completed_event_attributes.scheduled_event_id)
        elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            waiting -= ended
    return not waiting
