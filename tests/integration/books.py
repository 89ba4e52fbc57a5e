"""What the services themselves have stored, read from their own databases."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from contracts import ids

Cell = str | int | None


@dataclass(frozen=True)
class Entry:
    """One thing that a service keeps for an order."""

    status: str
    version: int
    """How often it was written: 1 for one effect, 2 for one that was taken back once."""
    changed_at: datetime


@dataclass(frozen=True)
class Books:
    """The four databases in a folder, whether their services run or not."""

    home: Path

    def order(self, order_id: str) -> Entry | None:
        """What the order service keeps."""
        return self._entry("order", "orders", order_id)

    def payment(self, order_id: str) -> Entry | None:
        """What the payment service keeps."""
        return self._entry("payment", "payments", ids.payment_id(order_id))

    def reservation(self, order_id: str) -> Entry | None:
        """What the inventory service keeps."""
        return self._entry("inventory", "reservations", ids.reservation_id(order_id))

    def shipment(self, order_id: str) -> Entry | None:
        """What the shipping service keeps."""
        return self._entry("shipping", "shipments", ids.shipment_id(order_id))

    def of(self, order_id: str) -> dict[str, str]:
        """The status of whatever the services keep for an order."""
        kept = {
            "order": self.order(order_id),
            "payment": self.payment(order_id),
            "reservation": self.reservation(order_id),
            "shipment": self.shipment(order_id),
        }
        return {name: entry.status for name, entry in kept.items() if entry is not None}

    def versions(self, order_id: str) -> tuple[int, int, int, int]:
        """How often order, payment, reservation and shipment were written; 0 for not at all."""
        kept = (self.order, self.payment, self.reservation, self.shipment)
        order, payment, reservation, shipment = (
            entry.version if (entry := find(order_id)) else 0 for find in kept
        )
        return order, payment, reservation, shipment

    def taken(self, order_ids: Iterable[str]) -> int:
        """What the cards of these orders were charged and not given back, in minor units."""
        return sum(
            int(charged or 0) - int(refunded or 0)
            for order_id in order_ids
            for charged, refunded in self._rows(
                "payment",
                "SELECT amount_minor, refunded_minor FROM payments WHERE id = ?",
                ids.payment_id(order_id),
            )
        )

    def reserved(self, sku: str) -> int:
        """How many pieces of a SKU are reserved."""
        [(reserved,)] = self._rows("inventory", "SELECT reserved FROM stock WHERE id = ?", sku)
        return int(reserved or 0)

    def counts(self, service: str, table: str) -> dict[str, int]:
        """How many rows of a table have each status."""
        query = f"SELECT status, count(*) FROM {table} GROUP BY status"  # noqa: S608
        return {str(status): int(count or 0) for status, count in self._rows(service, query)}

    def _entry(self, service: str, table: str, row_id: str) -> Entry | None:
        query = f"SELECT status, version, updated_at FROM {table} WHERE id = ?"  # noqa: S608
        found = self._rows(service, query, row_id)
        if not found:
            return None
        [(status, version, updated_at)] = found
        return Entry(str(status), int(version or 0), datetime.fromisoformat(str(updated_at)))

    def _rows(self, service: str, query: str, *values: Cell) -> list[tuple[Cell, ...]]:
        address = f"file:{self.home / service}.db?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=10)) as database:
            return database.execute(query, values).fetchall()
