"""The order service: takes an order, cancels it, or confirms it."""

import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, ClassVar, Self

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from pydantic import Field as Constraint
from sqlalchemy import JSON, BigInteger
from sqlmodel import Field, SQLModel

from services.application import Reading, Service
from services.barrier import Action, BarrierRoute, Undoing
from services.problems import (
    BARRIER_PROBLEMS,
    NOT_FOUND,
    ProblemRaised,
    ProblemType,
    Refused,
    documented,
)
from services.resources import Answer, Currency, Id, Minor, Quantity, Resource, Undo
from services.server import command_line, run_alone

TOTAL_MISMATCH = ProblemType(
    "urn:problem:order:total-mismatch", "The total is not the sum of the items", 422
)
ALREADY_CONFIRMED = ProblemType(
    "urn:problem:order:already-confirmed", "The order is confirmed", 409
)
CANCELLED = ProblemType("urn:problem:order:cancelled", "The order is cancelled", 409)
ALREADY_EXISTS = ProblemType("urn:problem:order:already-exists", "The order exists", 409)
PROBLEMS = (TOTAL_MISMATCH, ALREADY_CONFIRMED, CANCELLED, ALREADY_EXISTS)


class OrderStatus(StrEnum):
    """The states of an order; `void` was cancelled before it was created."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"
    VOID = "void"


class OrderItem(BaseModel):
    """One line of an order; the price is in minor units of the order's currency."""

    sku: Id
    quantity: Quantity
    unit_price_minor: Minor


class Order(Resource, table=True):
    """What a customer wants, and for how much."""

    __tablename__ = "orders"
    collection: ClassVar[str] = "/orders"

    customer_id: str | None = None
    currency: str | None = None
    items: list[dict[str, str | int]] = Field(default_factory=list, sa_type=JSON)
    total_minor: int = Field(default=0, sa_type=BigInteger)
    shipment_id: str | None = None
    cancel_reason: str | None = None


class OrderRequest(BaseModel):
    """A new order; `total_minor` must be the sum of its items."""

    order_id: Id
    customer_id: Id
    currency: Currency
    items: Annotated[list[OrderItem], Constraint(min_length=1, max_length=1000)]
    total_minor: Minor

    def check_total(self) -> None:
        """Refuse a total that is not the sum of the items."""
        total = sum(item.quantity * item.unit_price_minor for item in self.items)
        if total != self.total_minor:
            detail = f"The items come to {total} and the total says {self.total_minor}."
            raise Refused(TOTAL_MISMATCH, detail)


class Confirmation(BaseModel):
    """The shipment that an order is confirmed with."""

    shipment_id: Id


class OrderAnswer(Answer):
    """An order as it stands."""

    order_id: str
    status: OrderStatus
    customer_id: str | None
    currency: str | None
    items: list[OrderItem]
    total_minor: int
    shipment_id: str | None
    cancel_reason: str | None

    @classmethod
    def of(cls, order: Order) -> Self:
        """Describe an order."""
        return cls(
            order_id=order.id,
            status=OrderStatus(order.status),
            customer_id=order.customer_id,
            currency=order.currency,
            items=[OrderItem.model_validate(item) for item in order.items],
            total_minor=order.total_minor,
            shipment_id=order.shipment_id,
            cancel_reason=order.cancel_reason,
            version=order.version,
            occurred_at=order.updated_at,
        )


router = APIRouter(tags=["orders"], route_class=BarrierRoute)


@router.post(
    "/orders",
    status_code=201,
    responses=documented(*BARRIER_PROBLEMS, TOTAL_MISMATCH, ALREADY_EXISTS),
)
async def create_order(request: OrderRequest, operation: Action) -> OrderAnswer:
    """Take an order; it is pending until it is confirmed or cancelled."""
    request.check_total()
    order = Order(
        id=request.order_id,
        status=OrderStatus.PENDING,
        customer_id=request.customer_id,
        currency=request.currency,
        items=[item.model_dump() for item in request.items],
        total_minor=request.total_minor,
        made_by=operation.key,
        created_at=operation.now,
        updated_at=operation.now,
    )
    await operation.create(order, ALREADY_EXISTS)
    return OrderAnswer.of(order)


@router.post(
    "/orders/{order_id}/cancel", responses=documented(*BARRIER_PROBLEMS, ALREADY_CONFIRMED)
)
async def cancel_order(order_id: Id, request: Undo, operation: Undoing) -> OrderAnswer:
    """Undo an order; a confirmed one stands."""
    order = await operation.undoing(Order, order_id)
    if order.status == OrderStatus.CONFIRMED:
        raise Refused(ALREADY_CONFIRMED, f"It is confirmed with shipment {order.shipment_id}.")
    if order.status == OrderStatus.PENDING:
        order.status = OrderStatus.CANCELLED
        order.cancel_reason = request.reason
        order.changed(operation.now)
    return OrderAnswer.of(order)


@router.post(
    "/orders/{order_id}/confirm",
    responses=documented(*BARRIER_PROBLEMS, NOT_FOUND, CANCELLED, ALREADY_CONFIRMED),
)
async def confirm_order(order_id: Id, request: Confirmation, operation: Action) -> OrderAnswer:
    """Confirm a pending order; it cannot be cancelled any more."""
    order = await operation.session.get(Order, order_id, with_for_update=True)
    if order is None:
        raise _unknown(order_id)
    if order.status in (OrderStatus.CANCELLED, OrderStatus.VOID):
        raise Refused(CANCELLED, "A cancelled order cannot be confirmed.")
    if order.status == OrderStatus.PENDING:
        order.status = OrderStatus.CONFIRMED
        order.shipment_id = request.shipment_id
        order.changed(operation.now)
    elif order.shipment_id != request.shipment_id:
        raise Refused(ALREADY_CONFIRMED, f"It is confirmed with shipment {order.shipment_id}.")
    return OrderAnswer.of(order)


@router.get("/orders/{order_id}", responses=documented(NOT_FOUND))
async def get_order(order_id: Id, session: Reading) -> OrderAnswer:
    """Show an order."""
    order = await session.get(Order, order_id)
    if order is None:
        raise _unknown(order_id)
    return OrderAnswer.of(order)


def create_app(
    database_url: str, *, faults: bool = False, also: Sequence[type[SQLModel]] = ()
) -> FastAPI:
    """Return the order service on a database."""
    return Service("order", [Order], router, PROBLEMS).application(
        database_url, faults=faults, also=also
    )


def _unknown(order_id: str) -> ProblemRaised:
    return ProblemRaised(NOT_FOUND, f"There is no order {order_id}.")


def main() -> int:
    """Serve the order service alone."""
    return run_alone(
        command_line("order", 8001),
        lambda options: create_app(options.database_url, faults=options.faults),
    )


if __name__ == "__main__":
    sys.exit(main())
