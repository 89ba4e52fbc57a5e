"""The participants' tables: how their rows are read, and which order each is about."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypedDict, TypeVar

from sqlalchemy import RowMapping

from audit.entries import (
    Entry,
    OrderEntry,
    Participant,
    PaymentEntry,
    ReservationEntry,
    ShipmentEntry,
)
from contracts import ids

EntryT = TypeVar("EntryT", bound=Entry)
_COMMON = "id, order_id, status, version, made_by, created_at, updated_at"


class _Common(TypedDict):
    """What the rows of all tables have, by the members of an entry."""

    id: str
    order_id: str
    status: str
    version: int
    made_by: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Table(Generic[EntryT]):
    """Where a participant keeps what it does for orders."""

    participant: Participant
    name: str
    columns: str
    id_of: Callable[[str], str]
    """The id that an order saga gives; a row that was void from the start has no other link."""
    read: Callable[[RowMapping, _Common], EntryT]

    @property
    def order_id(self) -> str:
        """In SQL, the order that a row is about."""
        if self.participant is Participant.ORDER:
            return "id"
        return f"COALESCE(order_id, SUBSTR(id, {len(self.id_of('')) + 1}))"

    def query(self, backend: str, where: str = "") -> str:
        """In SQL, its rows by their orders' ids, in code-point order."""
        # A database's own collation may have another order than Python.
        collation = ' COLLATE "C"' if backend == "postgresql" else ""
        common = _COMMON.replace("order_id", f"{self.order_id} AS order_id")
        return (
            f"SELECT {common}, {self.columns} FROM {self.name} {where}"  # noqa: S608
            f" ORDER BY {self.order_id}{collation}, id{collation}"
        )

    def entry(self, row: RowMapping) -> EntryT:
        """The entry that a row is."""
        common: _Common = {
            "id": str(row["id"]),
            "order_id": str(row["order_id"]),
            "status": str(row["status"]),
            "version": int(row["version"]),
            "made_by": str(row["made_by"]),
            "created_at": _instant(row["created_at"]),
            "updated_at": _instant(row["updated_at"]),
        }
        return self.read(row, common)


def _order(row: RowMapping, common: _Common) -> OrderEntry:
    return OrderEntry(
        **common,
        currency=row["currency"] or "",
        total_minor=int(row["total_minor"]),
        shipment_id=row["shipment_id"],
    )


def _payment(row: RowMapping, common: _Common) -> PaymentEntry:
    return PaymentEntry(
        **common,
        currency=row["currency"] or "",
        amount_minor=int(row["amount_minor"]),
        refunded_minor=int(row["refunded_minor"]),
    )


def _reservation(row: RowMapping, common: _Common) -> ReservationEntry:
    pieces = row["pieces"]
    # The driver hands JSON over as text.
    return ReservationEntry(
        **common, pieces=json.loads(pieces) if isinstance(pieces, str) else pieces
    )


def _shipment(_: RowMapping, common: _Common) -> ShipmentEntry:
    return ShipmentEntry(**common)


ORDERS = Table(
    Participant.ORDER, "orders", "currency, total_minor, shipment_id", lambda it: it, _order
)
PAYMENTS = Table(
    Participant.PAYMENT,
    "payments",
    "currency, amount_minor, refunded_minor",
    ids.payment_id,
    _payment,
)
RESERVATIONS = Table(
    Participant.INVENTORY, "reservations", "pieces", ids.reservation_id, _reservation
)
SHIPMENTS = Table(Participant.SHIPPING, "shipments", "address", ids.shipment_id, _shipment)


def _instant(value: datetime | str) -> datetime:
    # SQLite keeps text without a time zone.
    instant = datetime.fromisoformat(value) if isinstance(value, str) else value
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
