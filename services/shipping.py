"""The shipping service: quotes, ships, dispatches, cancels what is not yet dispatched."""

import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import ClassVar, Literal, Self
from uuid import uuid4

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from sqlmodel import SQLModel

from services.application import Reading, Service
from services.barrier import Action, BarrierRoute, Undoing
from services.problems import (
    BARRIER_PROBLEMS,
    INVALID_REQUEST,
    NOT_FOUND,
    ProblemRaised,
    ProblemType,
    Refused,
    documented,
)
from services.resources import Answer, FreeText, Id, Resource, Undo
from services.server import command_line, run_alone

UNDELIVERABLE = ProblemType(
    "urn:problem:shipping:undeliverable", "The address cannot be delivered to", 422
)
ALREADY_DISPATCHED = ProblemType(
    "urn:problem:shipping:already-dispatched", "The shipment is on its way", 409
)
CANCELLED = ProblemType("urn:problem:shipping:cancelled", "The shipment is cancelled", 409)
ALREADY_EXISTS = ProblemType("urn:problem:shipping:already-exists", "The shipment exists", 409)
PROBLEMS = (UNDELIVERABLE, ALREADY_DISPATCHED, CANCELLED, ALREADY_EXISTS)

CARRIER = "Reference Parcel"
COST_MINOR = 500
CURRENCY = "USD"


class ShipmentStatus(StrEnum):
    """The states of a shipment; `void` was cancelled before it was created."""

    CREATED = "created"
    DISPATCHED = "dispatched"
    CANCELLED = "cancelled"
    VOID = "void"


class Shipment(Resource, table=True):
    """A parcel for one order."""

    __tablename__ = "shipments"
    collection: ClassVar[str] = "/shipments"

    order_id: str | None = None
    address: str | None = None
    tracking_number: str | None = None
    cancel_reason: str | None = None


class QuoteRequest(BaseModel):
    """An address to deliver to."""

    address: FreeText


class Quote(BaseModel):
    """What a delivery costs, in minor units."""

    deliverable: Literal[True] = True
    cost_minor: int = COST_MINOR
    currency: str = CURRENCY
    carrier: str = CARRIER


class ShipmentRequest(BaseModel):
    """A new shipment for an order."""

    shipment_id: Id
    order_id: Id
    address: FreeText


class ShipmentAnswer(Answer):
    """A shipment as it stands; the address stays with the service."""

    shipment_id: str
    status: ShipmentStatus
    order_id: str | None
    tracking_number: str | None
    carrier: str | None

    @classmethod
    def of(cls, shipment: Shipment) -> Self:
        """Describe a shipment."""
        return cls(
            shipment_id=shipment.id,
            status=ShipmentStatus(shipment.status),
            order_id=shipment.order_id,
            tracking_number=shipment.tracking_number,
            carrier=CARRIER if shipment.tracking_number else None,
            version=shipment.version,
            occurred_at=shipment.updated_at,
        )


# A quote changes nothing, so it needs no key.
quotes = APIRouter(tags=["quotes"])
shipments = APIRouter(tags=["shipments"], route_class=BarrierRoute)


@quotes.post("/quotes", responses=documented(INVALID_REQUEST, UNDELIVERABLE))
async def quote(request: QuoteRequest) -> Quote:
    """Say what a delivery would cost."""
    _check_address(request.address)
    return Quote()


@shipments.post(
    "/shipments",
    status_code=201,
    responses=documented(*BARRIER_PROBLEMS, UNDELIVERABLE, ALREADY_EXISTS),
)
async def create_shipment(request: ShipmentRequest, operation: Action) -> ShipmentAnswer:
    """Create a shipment; it can be cancelled until it is dispatched."""
    _check_address(request.address)
    shipment = Shipment(
        id=request.shipment_id,
        status=ShipmentStatus.CREATED,
        order_id=request.order_id,
        address=request.address,
        tracking_number=f"TRK{uuid4().hex[:16].upper()}",
        made_by=operation.key,
        created_at=operation.now,
        updated_at=operation.now,
    )
    await operation.create(shipment, ALREADY_EXISTS)
    return ShipmentAnswer.of(shipment)


@shipments.post(
    "/shipments/{shipment_id}/cancel", responses=documented(*BARRIER_PROBLEMS, ALREADY_DISPATCHED)
)
async def cancel_shipment(shipment_id: Id, request: Undo, operation: Undoing) -> ShipmentAnswer:
    """Undo a shipment that is not yet dispatched."""
    shipment = await operation.undoing(Shipment, shipment_id)
    if shipment.status == ShipmentStatus.DISPATCHED:
        raise Refused(ALREADY_DISPATCHED, "It left the warehouse.")
    if shipment.status == ShipmentStatus.CREATED:
        shipment.status = ShipmentStatus.CANCELLED
        shipment.cancel_reason = request.reason
        shipment.changed(operation.now)
    return ShipmentAnswer.of(shipment)


@shipments.post(
    "/shipments/{shipment_id}/dispatch",
    responses=documented(*BARRIER_PROBLEMS, NOT_FOUND, CANCELLED),
)
async def dispatch_shipment(shipment_id: Id, operation: Action) -> ShipmentAnswer:
    """Hand a shipment to the carrier."""
    shipment = await operation.session.get(Shipment, shipment_id, with_for_update=True)
    if shipment is None:
        raise _unknown(shipment_id)
    if shipment.status in (ShipmentStatus.CANCELLED, ShipmentStatus.VOID):
        raise Refused(CANCELLED, "A cancelled shipment cannot be dispatched.")
    if shipment.status == ShipmentStatus.CREATED:
        shipment.status = ShipmentStatus.DISPATCHED
        shipment.changed(operation.now)
    return ShipmentAnswer.of(shipment)


@shipments.get("/shipments/{shipment_id}", responses=documented(NOT_FOUND))
async def track_shipment(shipment_id: Id, session: Reading) -> ShipmentAnswer:
    """Track a shipment."""
    shipment = await session.get(Shipment, shipment_id)
    if shipment is None:
        raise _unknown(shipment_id)
    return ShipmentAnswer.of(shipment)


def create_app(
    database_url: str, *, faults: bool = False, also: Sequence[type[SQLModel]] = ()
) -> FastAPI:
    """Return the shipping service on a database."""
    router = APIRouter()
    router.include_router(quotes)
    router.include_router(shipments)
    service = Service("shipping", [Shipment], router, PROBLEMS)
    return service.application(database_url, faults=faults, also=also)


def _check_address(address: str) -> None:
    wanted = address.strip().lower()
    if not wanted or "undeliverable" in wanted or "nowhere" in wanted:
        raise Refused(UNDELIVERABLE, "No carrier delivers to this address.")


def _unknown(shipment_id: str) -> ProblemRaised:
    return ProblemRaised(NOT_FOUND, f"There is no shipment {shipment_id}.")


def main() -> int:
    """Serve the shipping service alone."""
    return run_alone(
        command_line("shipping", 8004),
        lambda options: create_app(options.database_url, faults=options.faults),
    )


if __name__ == "__main__":
    sys.exit(main())
