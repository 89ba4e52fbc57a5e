"""The shipping service's part: create a shipment, call it back."""

import httpx
from temporalio import activity

from activities.participant import Answer, Participant
from contracts.commands import CancelShipment, CreateShipment
from contracts.events import ShipmentCancelled, ShipmentCreated
from saga import Call, Event, JsonObject, answered

REFUSALS = frozenset(
    {
        "urn:problem:shipping:undeliverable",
        "urn:problem:shipping:already-exists",
        "urn:problem:shipping:already-dispatched",
    }
)


class Shipped(Answer):
    """The shipping service's answer to a new shipment."""

    tracking_number: str


class ShippingActivities:
    """Calls the shipping service."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._shipping = Participant("shipping service", client, REFUSALS)

    @activity.defn
    async def create_shipment(self, call: Call[CreateShipment]) -> Event[ShipmentCreated]:
        """Hand the order to a carrier."""
        shipment = call.command
        body: JsonObject = {
            "shipment_id": shipment.shipment_id,
            "order_id": shipment.order_id,
            "address": shipment.address,
        }
        return _created(call, await self._shipping.post(call, "/shipments", body, Shipped))

    @activity.defn
    async def find_shipment(self, call: Call[CreateShipment]) -> Event[ShipmentCreated]:
        """Ask whether the shipment was made, when nobody knows."""
        return _created(call, await self._shipping.ask(call, Shipped))

    @activity.defn
    async def cancel_shipment(self, call: Call[CancelShipment]) -> Event[ShipmentCancelled]:
        """Call the shipment back before it is dispatched."""
        shipment = call.command
        body = {"reason": f"{call.saga_id} is compensated"}
        path = f"/shipments/{shipment.shipment_id}/cancel"
        answer = await self._shipping.post(call, path, body, Answer)
        event = ShipmentCancelled(shipment_id=shipment.shipment_id, order_id=shipment.order_id)
        return answered(call, event, version=answer.version, occurred_at=answer.occurred_at)


def _created(call: Call[CreateShipment], answer: Shipped) -> Event[ShipmentCreated]:
    event = ShipmentCreated(
        shipment_id=call.command.shipment_id,
        order_id=call.command.order_id,
        tracking_number=answer.tracking_number,
    )
    return answered(call, event, version=answer.version, occurred_at=answer.occurred_at)
