"""Orders that go well, and orders that each participant in turn refuses for each of its reasons."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

import httpx

from contracts import ids
from contracts.commands import PlaceOrder
from tests.choreography.twin import as_event
from tests.integration.stage import NOWHERE, an_order

Clients = Mapping[str, httpx.AsyncClient]
JsonBody = dict[str, object]


async def _nothing(clients: Clients, order: PlaceOrder) -> None:
    """Nobody was there before."""


@dataclass(frozen=True)
class Scenario:
    """An order of ten pieces' SKU, and what somebody else has done before it is placed."""

    order: Callable[[str], PlaceOrder] = an_order
    before: Callable[[Clients, PlaceOrder], Awaitable[None]] = _nothing


def _order(order: PlaceOrder) -> JsonBody:
    return as_event(order).model_dump(exclude={"card_token", "ship_to"})


def _payment(order: PlaceOrder) -> JsonBody:
    return {
        "payment_id": ids.payment_id(order.order_id),
        "order_id": "another",
        "customer_id": "C-2",
        "amount_minor": 5,
        "currency": "USD",
        "card_token": "tok_visa",
    }


def _reservation(order: PlaceOrder) -> JsonBody:
    lines = [{"sku": order.items[0].sku, "quantity": 1}]
    reservation_id = ids.reservation_id(order.order_id)
    return {"reservation_id": reservation_id, "order_id": "another", "lines": lines}


def _shipment(order: PlaceOrder) -> JsonBody:
    shipment_id = ids.shipment_id(order.order_id)
    return {"shipment_id": shipment_id, "order_id": "another", "address": "2 Side St"}


def _taken(service: str, path: str, body: Callable[[PlaceOrder], JsonBody]) -> Scenario:
    """Somebody else has made what a step would make, under the same id."""

    async def before(clients: Clients, order: PlaceOrder) -> None:
        key = {"Idempotency-Key": f"stranger-{order.order_id}"}
        made = await clients[service].post(path, json=body(order), headers=key)
        assert made.status_code == 201, made.text

    return Scenario(before=before)


SCENARIOS: dict[str, Scenario] = {
    "completed": Scenario(),
    "declined": Scenario(partial(an_order, card="tok_declined")),
    "no-funds": Scenario(partial(an_order, card="tok_insufficient_funds")),
    "expired": Scenario(partial(an_order, card="tok_expired")),
    "unknown-card": Scenario(partial(an_order, card="paper")),
    "out-of-stock": Scenario(partial(an_order, quantity=11)),
    "undeliverable": Scenario(partial(an_order, ship_to=NOWHERE)),
    "order-taken": _taken("order", "/orders", _order),
    "payment-taken": _taken("payment", "/payments", _payment),
    "reservation-taken": _taken("inventory", "/reservations", _reservation),
    "shipment-taken": _taken("shipping", "/shipments", _shipment),
}
