"""Who reacts to what, and how: the order saga is nowhere else."""

from collections.abc import Mapping

from pydantic import BaseModel

from brokers.catalogue import Catalogue
from brokers.consumer import Handler, Received, Unacceptable
from services import inventory, order, payment, shipping
from services.choreography import events
from services.choreography.events import AnyEvent, AnyFailure, Failure, OrderEvent
from services.choreography.participant import do, tell
from services.problems import UNDONE, Refused
from services.resources import Undo


class Reactions:
    """What each service does about the events that it cares for."""

    def __init__(self, service: str) -> None:
        self._known: Catalogue = events.catalogue(service)
        by_service: dict[str, dict[type[BaseModel], Handler]] = {
            "order": {
                events.ShipmentCreated: self._confirm,
                events.PaymentFailed: self._cancel,
                events.PaymentRefunded: self._cancel,
            },
            "payment": {
                events.OrderPlaced: self._charge,
                events.InventoryReservationFailed: self._refund,
                events.InventoryReleased: self._refund,
            },
            "inventory": {
                events.PaymentProcessed: self._reserve,
                events.ShipmentFailed: self._release,
            },
            "shipping": {events.InventoryReserved: self._ship},
        }
        self.handlers: Mapping[type[BaseModel], Handler] = by_service[service]

    async def _charge(self, got: Received[events.OrderPlaced]) -> None:
        placed = got.data
        request = payment.ChargeRequest(
            payment_id=f"payment-{placed.order_id}",
            order_id=placed.order_id,
            customer_id=placed.customer_id,
            amount_minor=placed.total_minor,
            currency=placed.currency,
            card_token=placed.card_token,
        )
        try:
            await do(got, "charge-payment", "/payments", lambda it: payment.charge(request, it))
        except Refused as refusal:
            await self._failed(got, events.PaymentFailed, refusal)
            return
        lines = tuple(inventory.Line(sku=item.sku, quantity=item.quantity) for item in placed.items)
        await self._tell(
            got,
            events.PaymentProcessed(
                order_id=placed.order_id,
                ship_to=placed.ship_to,
                payment_id=request.payment_id,
                lines=lines,
            ),
        )

    async def _reserve(self, got: Received[events.PaymentProcessed]) -> None:
        paid = got.data
        request = inventory.ReservationRequest(
            reservation_id=f"reservation-{paid.order_id}",
            order_id=paid.order_id,
            lines=list(paid.lines),
        )
        try:
            await do(
                got, "reserve-stock", "/reservations", lambda it: inventory.reserve(request, it)
            )
        except Refused as refusal:
            await self._failed(got, events.InventoryReservationFailed, refusal)
            return
        await self._tell(
            got,
            events.InventoryReserved(
                order_id=paid.order_id,
                ship_to=paid.ship_to,
                reservation_id=request.reservation_id,
            ),
        )

    async def _ship(self, got: Received[events.InventoryReserved]) -> None:
        reserved = got.data
        request = shipping.ShipmentRequest(
            shipment_id=f"shipment-{reserved.order_id}",
            order_id=reserved.order_id,
            address=reserved.ship_to,
        )
        try:
            await do(
                got,
                "create-shipment",
                "/shipments",
                lambda it: shipping.create_shipment(request, it),
            )
        except Refused as refusal:
            await self._failed(got, events.ShipmentFailed, refusal)
            return
        await self._tell(
            got,
            events.ShipmentCreated(order_id=reserved.order_id, shipment_id=request.shipment_id),
        )

    async def _confirm(self, got: Received[events.ShipmentCreated]) -> None:
        order_id, shipment_id = got.data.order_id, got.data.shipment_id
        wanted = order.Confirmation(shipment_id=shipment_id)
        path = f"/orders/{order_id}/confirm"
        try:
            await do(
                got, "confirm-order", path, lambda it: order.confirm_order(order_id, wanted, it)
            )
        except Refused as refusal:
            # It is on its way, as in the orchestrated saga after its pivot: a person decides.
            raise Unacceptable(f"the order cannot be confirmed: {refusal}") from refusal
        await self._tell(got, events.OrderConfirmed(order_id=order_id, shipment_id=shipment_id))

    async def _release(self, got: Received[events.ShipmentFailed]) -> None:
        row, undo = f"reservation-{got.data.order_id}", Undo(reason=got.data.reason)
        path = f"/reservations/{row}/release"
        await do(got, "reserve-stock", path, lambda it: inventory.release(row, undo, it), undo=True)
        await self._back(got, events.InventoryReleased)

    async def _refund(self, got: Received[Failure]) -> None:
        row, undo = f"payment-{got.data.order_id}", Undo(reason=got.data.reason)
        path = f"/payments/{row}/refund"
        await do(got, "charge-payment", path, lambda it: payment.refund(row, undo, it), undo=True)
        await self._back(got, events.PaymentRefunded)

    async def _cancel(self, got: Received[Failure]) -> None:
        order_id, undo = got.data.order_id, Undo(reason=got.data.reason)
        path = f"/orders/{order_id}/cancel"
        try:
            await do(
                got,
                "create-order",
                path,
                lambda it: order.cancel_order(order_id, undo, it),
                undo=True,
            )
        except Refused as refusal:
            raise Unacceptable(f"the order cannot be cancelled: {refusal}") from refusal
        await self._back(got, events.OrderCancelled)

    async def _failed(self, got: Received[AnyEvent], kind: type[Failure], refusal: Refused) -> None:
        # Whoever undid the action has told so already.
        if refusal.problem is not UNDONE:
            reason = refusal.problem.type
            await self._tell(got, kind(order_id=got.data.order_id, reason=reason))

    async def _back(self, got: Received[AnyFailure], kind: type[Failure]) -> None:
        await self._tell(got, kind(order_id=got.data.order_id, reason=got.data.reason))

    async def _tell(self, got: Received[AnyEvent], event: OrderEvent) -> None:
        await tell(self._known, got.session, got.event, event)
