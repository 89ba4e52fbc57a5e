"""The order that every contender carries out, and its participants: at once, or over HTTP."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol
from uuid import uuid4

import httpx

SKU = "BOOK"
CARD = "tok_visa"
PRICE = 1250
"""In cents."""
DELIVERABLE, NOWHERE = "1 Main Street, Springfield", "nowhere"
"""Addresses: one that brings an order to its end, and one that the fourth step refuses."""

DOING = ("create-order", "charge-payment", "reserve-stock", "create-shipment", "confirm-order")
UNDOING = {
    "create-order": "cancel-order",
    "charge-payment": "refund-payment",
    "reserve-stock": "release-stock",
    "create-shipment": "cancel-shipment",
}
LAST = DOING[-1]


class Refused(Exception):
    """A participant has said no; trying again is no use."""


@dataclass(frozen=True)
class Order:
    """One piece for one customer."""

    order_id: str
    address: str
    customer_id: str = "crowd"
    total: int = PRICE

    @classmethod
    def new(cls, *, completed: bool) -> "Order":
        """One that nobody has placed yet, and how it is to end."""
        return cls(str(uuid4()), DELIVERABLE if completed else NOWHERE)

    def as_dict(self) -> dict[str, Any]:
        """For those engines that take JSON."""
        return asdict(self)


class Participants(Protocol):
    """What steps call."""

    async def call(self, step: str, order: Order) -> str:
        """Do it, or undo it; what the participant says.

        Raises:
            Refused: it said no.
        """


class Instant:
    """They answer at once, so that nothing but the saga costs."""

    async def call(self, step: str, order: Order) -> str:
        """Answer."""
        if step == "create-shipment" and order.address == NOWHERE:
            raise Refused("No carrier goes there.")
        return f"{step} of {order.order_id}"


class OverHttp:
    """The reference services, each call with the idempotency key that they want."""

    def __init__(self, urls: Mapping[str, str]) -> None:
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=20)
        self._clients = {
            name: httpx.AsyncClient(base_url=url, timeout=5.0, trust_env=False, limits=limits)
            for name, url in urls.items()
        }

    async def call(self, step: str, order: Order) -> str:
        """Send the request; raises httpx's errors for an outage, which is tried again."""
        service, path, body = _request(step, order)
        saga = f"order-{order.order_id}"
        headers = {"Idempotency-Key": f"{saga}/{step}", "X-Correlation-ID": saga}
        for doing, undoing in UNDOING.items():
            if step == undoing:
                headers["Undoes-Key"] = f"{saga}/{doing}"
        response = await self._clients[service].post(path, json=body, headers=headers)
        if response.status_code in {402, 409, 410, 422} and "Retry-After" not in response.headers:
            raise Refused(response.json()["detail"])
        response.raise_for_status()
        said: str = response.json()["occurred_at"]
        return said


def participants(urls: Mapping[str, str]) -> Participants:
    """The services at these addresses, or else instant ones."""
    return OverHttp(urls) if urls else Instant()


def _request(step: str, order: Order) -> tuple[str, str, dict[str, Any]]:
    it = order.order_id
    payment, reservation, shipment = f"payment-{it}", f"reservation-{it}", f"shipment-{it}"
    reason = {"reason": f"order-{it} is compensated"}
    line = {"sku": SKU, "quantity": 1}
    money = {"customer_id": order.customer_id, "currency": "USD"}
    placed = {"items": [{**line, "unit_price_minor": PRICE}], "total_minor": order.total}
    paid = {"payment_id": payment, "amount_minor": order.total, "card_token": CARD}
    requests: dict[str, tuple[str, str, dict[str, Any]]] = {
        "create-order": ("order", "/orders", {"order_id": it, **money, **placed}),
        "cancel-order": ("order", f"/orders/{it}/cancel", reason),
        "confirm-order": ("order", f"/orders/{it}/confirm", {"shipment_id": shipment}),
        "charge-payment": ("payment", "/payments", {"order_id": it, **money, **paid}),
        "refund-payment": ("payment", f"/payments/{payment}/refund", reason),
        "reserve-stock": (
            "inventory",
            "/reservations",
            {"reservation_id": reservation, "order_id": it, "lines": [line]},
        ),
        "release-stock": ("inventory", f"/reservations/{reservation}/release", reason),
        "create-shipment": (
            "shipping",
            "/shipments",
            {"shipment_id": shipment, "order_id": it, "address": order.address},
        ),
        "cancel-shipment": ("shipping", f"/shipments/{shipment}/cancel", reason),
    }
    return requests[step]
