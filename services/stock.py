"""The domain of the inventory service: stock that is never oversold, and its reservations."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import ClassVar

from sqlalchemy import JSON, BigInteger, CheckConstraint, update
from sqlmodel import Field, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.barrier import Operation
from services.database import Seed
from services.problems import ProblemType, Refused
from services.resources import Resource, Versioned

OUT_OF_STOCK = ProblemType("urn:problem:inventory:out-of-stock", "Not enough in stock", 409)
UNKNOWN_SKU = ProblemType("urn:problem:inventory:unknown-sku", "The SKU is unknown", 422)
ALREADY_EXISTS = ProblemType("urn:problem:inventory:already-exists", "The reservation exists", 409)
PROBLEMS = (OUT_OF_STOCK, UNKNOWN_SKU, ALREADY_EXISTS)

DEFAULT_STOCK = {"BOOK": 10_000, "PEN": 10_000, "LAMP": 10_000}


class ReservationStatus(StrEnum):
    """The states of a reservation; `void` was released before it was made."""

    RESERVED = "reserved"
    RELEASED = "released"
    VOID = "void"


class Stock(Versioned, table=True):
    """How many pieces of one SKU there are, and how many of them are reserved."""

    __tablename__ = "stock"
    __table_args__ = (CheckConstraint("reserved >= 0 AND on_hand >= reserved"),)

    on_hand: int = Field(sa_type=BigInteger)
    reserved: int = Field(default=0, sa_type=BigInteger)

    @property
    def available(self) -> int:
        """The pieces that can still be reserved."""
        return self.on_hand - self.reserved


class Reservation(Resource, table=True):
    """The pieces that are kept for one order, by SKU."""

    __tablename__ = "reservations"
    collection: ClassVar[str] = "/reservations"

    order_id: str | None = None
    pieces: dict[str, int] = Field(default_factory=dict, sa_type=JSON)
    release_reason: str | None = None


def summed(lines: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Return the pieces wanted of each SKU."""
    wanted: Counter[str] = Counter()
    for sku, quantity in lines:
        wanted[sku] += quantity
    return dict(wanted)


async def take(operation: Operation, pieces: Mapping[str, int]) -> None:
    """Reserve all pieces or refuse; two takers in SKU order cannot deadlock."""
    session = operation.session
    for sku, quantity in sorted(pieces.items()):
        taken = await session.exec(
            update(Stock)
            .where(col(Stock.id) == sku)
            # The condition and the change are one statement: nobody comes between.
            .where(col(Stock.on_hand) - col(Stock.reserved) >= quantity)
            .values(_change(quantity, operation.now))
        )
        if taken.rowcount == 0:
            stock = await session.get(Stock, sku)
            if stock is None:
                raise Refused(UNKNOWN_SKU, f"{sku}: no such SKU.")
            detail = f"{sku}: wanted {quantity}, available {stock.available}."
            raise Refused(OUT_OF_STOCK, detail)


async def give_back(operation: Operation, pieces: Mapping[str, int]) -> None:
    """Release reserved pieces."""
    for sku, quantity in sorted(pieces.items()):
        await operation.session.exec(
            update(Stock).where(col(Stock.id) == sku).values(_change(-quantity, operation.now))
        )


async def restock(operation: Operation, sku: str, quantity: int) -> Stock:
    """Add pieces to a SKU, new or known."""
    stock = await operation.session.get(Stock, sku, with_for_update=True)
    if stock is None:
        stock = Stock(id=sku, on_hand=quantity, created_at=operation.now, updated_at=operation.now)
        await operation.insert(stock)
    else:
        stock.on_hand += quantity
        stock.changed(operation.now)
    return stock


def seeding(stock: Mapping[str, int]) -> Seed:
    """Return what fills a new database with `stock`, pieces by SKU."""

    async def seed(session: AsyncSession) -> None:
        now = datetime.now(UTC)
        session.add_all(
            Stock(id=sku, on_hand=quantity, created_at=now, updated_at=now)
            for sku, quantity in stock.items()
        )

    return seed


async def all_stock(session: AsyncSession) -> list[Stock]:
    """Return the stock of every SKU, in SKU order."""
    return list(await session.exec(select(Stock).order_by(col(Stock.id))))


def _change(quantity: int, at: datetime) -> dict[str, object]:
    return {
        "reserved": Stock.reserved + quantity,
        "version": Stock.version + 1,
        "updated_at": at,
    }
