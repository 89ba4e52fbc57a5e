"""The inventory service: reserves pieces for an order, all lines or none, and releases them."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Self

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from pydantic import Field as Constraint
from sqlmodel import SQLModel

from services import stock as domain
from services.application import Reading, Service
from services.barrier import Action, BarrierRoute, Undoing
from services.problems import BARRIER_PROBLEMS, NOT_FOUND, ProblemRaised, documented
from services.resources import Answer, Id, Quantity, Undo
from services.server import command_line, run_alone
from services.stock import Reservation, ReservationStatus, Stock


class Line(BaseModel):
    """Some pieces of one SKU."""

    sku: Id
    quantity: Quantity


class ReservationRequest(BaseModel):
    """The pieces to keep for an order; lines of the same SKU are summed."""

    reservation_id: Id
    order_id: Id
    lines: Annotated[list[Line], Constraint(min_length=1, max_length=1000)]


class ReservationAnswer(Answer):
    """A reservation as it stands, one line for each SKU."""

    reservation_id: str
    status: ReservationStatus
    order_id: str | None
    lines: list[Line]

    @classmethod
    def of(cls, reservation: Reservation) -> Self:
        """Describe a reservation."""
        return cls(
            reservation_id=reservation.id,
            status=ReservationStatus(reservation.status),
            order_id=reservation.order_id,
            lines=[
                Line.model_construct(sku=sku, quantity=quantity)
                for sku, quantity in sorted(reservation.pieces.items())
            ],
            version=reservation.version,
            occurred_at=reservation.updated_at,
        )


class Restock(BaseModel):
    """How many pieces came in."""

    quantity: Quantity


class StockAnswer(Answer):
    """The stock of one SKU; `available` is what can still be reserved."""

    sku: str
    on_hand: int
    reserved: int
    available: int

    @classmethod
    def of(cls, stock: Stock) -> Self:
        """Describe the stock of one SKU."""
        return cls(
            sku=stock.id,
            on_hand=stock.on_hand,
            reserved=stock.reserved,
            available=stock.available,
            version=stock.version,
            occurred_at=stock.updated_at,
        )


router = APIRouter(tags=["inventory"], route_class=BarrierRoute)


@router.post(
    "/reservations", status_code=201, responses=documented(*BARRIER_PROBLEMS, *domain.PROBLEMS)
)
async def reserve(request: ReservationRequest, operation: Action) -> ReservationAnswer:
    """Keep pieces for an order."""
    reservation = Reservation(
        id=request.reservation_id,
        status=ReservationStatus.RESERVED,
        order_id=request.order_id,
        pieces=domain.summed((line.sku, line.quantity) for line in request.lines),
        made_by=operation.key,
        created_at=operation.now,
        updated_at=operation.now,
    )
    await operation.create(reservation, domain.ALREADY_EXISTS)
    await domain.take(operation, reservation.pieces)
    return ReservationAnswer.of(reservation)


@router.post("/reservations/{reservation_id}/release", responses=documented(*BARRIER_PROBLEMS))
async def release(reservation_id: Id, request: Undo, operation: Undoing) -> ReservationAnswer:
    """Undo a reservation: its pieces are available again."""
    reservation = await operation.undoing(Reservation, reservation_id)
    if reservation.status == ReservationStatus.RESERVED:
        await domain.give_back(operation, reservation.pieces)
        reservation.status = ReservationStatus.RELEASED
        reservation.release_reason = request.reason
        reservation.changed(operation.now)
    return ReservationAnswer.of(reservation)


@router.get("/reservations/{reservation_id}", responses=documented(NOT_FOUND))
async def get_reservation(reservation_id: Id, session: Reading) -> ReservationAnswer:
    """Show a reservation."""
    reservation = await session.get(Reservation, reservation_id)
    if reservation is None:
        raise ProblemRaised(NOT_FOUND, f"There is no reservation {reservation_id}.")
    return ReservationAnswer.of(reservation)


@router.get("/stock")
async def list_stock(session: Reading) -> list[StockAnswer]:
    """Show the stock of every SKU."""
    return [StockAnswer.of(stock) for stock in await domain.all_stock(session)]


@router.get("/stock/{sku}", responses=documented(NOT_FOUND))
async def get_stock(sku: Id, session: Reading) -> StockAnswer:
    """Show the stock of one SKU."""
    stock = await session.get(Stock, sku)
    if stock is None:
        raise ProblemRaised(NOT_FOUND, f"There is no SKU {sku}.")
    return StockAnswer.of(stock)


@router.post("/stock/{sku}/restock", responses=documented(*BARRIER_PROBLEMS))
async def restock(sku: Id, request: Restock, operation: Action) -> StockAnswer:
    """Add pieces to a SKU, new or known."""
    return StockAnswer.of(await domain.restock(operation, sku, request.quantity))


def create_app(
    database_url: str,
    *,
    faults: bool = False,
    stock: Mapping[str, int] = domain.DEFAULT_STOCK,
    also: Sequence[type[SQLModel]] = (),
) -> FastAPI:
    """Return the inventory service on a database, which gets `stock` if it is new."""
    service = Service("inventory", [Stock, Reservation], router, domain.PROBLEMS)
    return service.application(database_url, faults=faults, seed=domain.seeding(stock), also=also)


def add_seed_option(parser: argparse.ArgumentParser) -> None:
    """Let a command line say what stock a new inventory database gets."""
    default = " ".join(f"{sku}={quantity}" for sku, quantity in domain.DEFAULT_STOCK.items())
    parser.add_argument(
        "--seed",
        action="extend",
        nargs="+",
        type=_pieces,
        metavar="SKU=QTY",
        help=f"the stock of a new inventory database; default: {default}",
    )


def stock_of(options: argparse.Namespace) -> dict[str, int]:
    """Return the stock that a command line gives to a new inventory database."""
    return dict(options.seed or domain.DEFAULT_STOCK)


def _pieces(option: str) -> tuple[str, int]:
    sku, separator, quantity = option.partition("=")
    if not sku or not separator or not quantity.isdecimal():
        raise argparse.ArgumentTypeError(f"{option!r} is not SKU=QTY")
    return sku, int(quantity)


def main() -> int:
    """Serve the inventory service alone."""
    parser = command_line("inventory", 8003)
    add_seed_option(parser)
    return run_alone(
        parser,
        lambda options: create_app(
            options.database_url, faults=options.faults, stock=stock_of(options)
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
