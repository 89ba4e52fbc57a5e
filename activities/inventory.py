"""The inventory service's part: reserve an order's stock, release it."""

import httpx
from temporalio import activity

from activities.participant import Answer, Participant
from contracts.commands import ReleaseStock, ReserveStock
from contracts.events import InventoryReleased, InventoryReserved
from saga import Call, Event, JsonObject, answered

REFUSALS = frozenset(
    {
        "urn:problem:inventory:out-of-stock",
        "urn:problem:inventory:unknown-sku",
        "urn:problem:inventory:already-exists",
    }
)


class InventoryActivities:
    """Calls the inventory service."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._inventory = Participant("inventory service", client, REFUSALS)

    @activity.defn
    async def reserve_stock(self, call: Call[ReserveStock]) -> Event[InventoryReserved]:
        """Reserve all lines, or none."""
        reserve = call.command
        body: JsonObject = {
            "reservation_id": reserve.reservation_id,
            "order_id": reserve.order_id,
            "lines": [line.model_dump() for line in reserve.lines],
        }
        answer = await self._inventory.post(call, "/reservations", body, Answer)
        event = InventoryReserved(reservation_id=reserve.reservation_id, order_id=reserve.order_id)
        return answered(call, event, version=answer.version, occurred_at=answer.occurred_at)

    @activity.defn
    async def release_stock(self, call: Call[ReleaseStock]) -> Event[InventoryReleased]:
        """Give the reserved pieces back."""
        release = call.command
        body = {"reason": f"{call.saga_id} is compensated"}
        path = f"/reservations/{release.reservation_id}/release"
        answer = await self._inventory.post(call, path, body, Answer)
        event = InventoryReleased(reservation_id=release.reservation_id, order_id=release.order_id)
        return answered(call, event, version=answer.version, occurred_at=answer.occurred_at)
