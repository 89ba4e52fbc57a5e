"""The order service's part: record an order, cancel it, confirm it."""

import httpx
from temporalio import activity

from activities.participant import Answer, Participant
from contracts.commands import CancelOrder, ConfirmOrder, CreateOrder
from contracts.events import OrderCancelled, OrderConfirmed, OrderCreated
from saga import Call, Event, JsonObject, answered

REFUSALS = frozenset(
    {
        "urn:problem:order:total-mismatch",
        "urn:problem:order:already-exists",
        "urn:problem:order:already-confirmed",
        "urn:problem:order:cancelled",
    }
)


class OrderActivities:
    """Calls the order service."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._orders = Participant("order service", client, REFUSALS)

    @activity.defn
    async def create_order(self, call: Call[CreateOrder]) -> Event[OrderCreated]:
        """Record the order, pending."""
        order = call.command
        body: JsonObject = {
            "order_id": order.order_id,
            "customer_id": order.customer_id,
            "currency": order.total.currency,
            "items": [line.model_dump() for line in order.items],
            "total_minor": order.total.minor,
        }
        answer = await self._orders.post(call, "/orders", body, Answer)
        event = OrderCreated(
            order_id=order.order_id,
            customer_id=order.customer_id,
            total=order.total,
            items=order.items,
        )
        return answered(call, event, version=answer.version, occurred_at=answer.occurred_at)

    @activity.defn
    async def cancel_order(self, call: Call[CancelOrder]) -> Event[OrderCancelled]:
        """Take the order back."""
        order_id = call.command.order_id
        body = {"reason": f"{call.saga_id} is compensated"}
        answer = await self._orders.post(call, f"/orders/{order_id}/cancel", body, Answer)
        event = OrderCancelled(order_id=order_id)
        return answered(call, event, version=answer.version, occurred_at=answer.occurred_at)

    @activity.defn
    async def confirm_order(self, call: Call[ConfirmOrder]) -> Event[OrderConfirmed]:
        """Tell the order that it is on its way."""
        command = call.command
        answer = await self._orders.post(
            call,
            f"/orders/{command.order_id}/confirm",
            {"shipment_id": command.shipment_id},
            Answer,
        )
        event = OrderConfirmed(order_id=command.order_id, shipment_id=command.shipment_id)
        return answered(call, event, version=answer.version, occurred_at=answer.occurred_at)
