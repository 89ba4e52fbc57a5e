"""The books: what the services' databases add up to, whoever has placed the orders."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from rich.table import Table

from contracts.money import Money

CONFIRMED, PENDING = "confirmed", "pending"
Cell = str | int | None


@dataclass
class Books:
    """Money in minor units by currency, and pieces by SKU, of every order in a SAGA_HOME."""

    charged: Counter[str] = field(default_factory=Counter)
    refunded: Counter[str] = field(default_factory=Counter)
    sold: Counter[str] = field(default_factory=Counter)
    """The totals of the completed orders."""
    money_under_way: Counter[str] = field(default_factory=Counter)
    """Charged for orders that have not come to their end."""
    reserved: Counter[str] = field(default_factory=Counter)
    """As the stock itself counts."""
    wanted: Counter[str] = field(default_factory=Counter)
    """What the items of the completed orders come to."""
    pieces_under_way: Counter[str] = field(default_factory=Counter)
    completed: int = 0
    under_way: int = 0

    @property
    def kept(self) -> Counter[str]:
        """The money charged and not given back, without that of orders under way."""
        return _less(_less(self.charged, self.refunded), self.money_under_way)

    @property
    def taken(self) -> Counter[str]:
        """The pieces taken from stock, without those of orders under way."""
        return _less(self.reserved, self.pieces_under_way)

    @property
    def balanced(self) -> bool:
        """Whether every coin and every piece belongs to an order, completed or under way."""
        # Counters are equal when they differ in zeros only.
        return self.kept == self.sold and self.taken == self.wanted


def read_books(home: Path) -> Books:
    """Read the databases of the embedded services, one after the other."""
    books = Books()
    pending = set()
    query = "SELECT id, status, currency, total_minor, items FROM orders"
    for order_id, status, currency, total, items in _rows(home / "order.db", query):
        if status == PENDING:
            pending.add(order_id)
        elif status == CONFIRMED:
            books.completed += 1
            books.sold[str(currency)] += int(total or 0)
            for item in json.loads(str(items)):
                books.wanted[item["sku"]] += item["quantity"]
    books.under_way = len(pending)
    query = "SELECT order_id, currency, amount_minor, refunded_minor FROM payments"
    for order_id, currency, charged, refunded in _rows(home / "payment.db", query):
        if currency is not None:
            books.charged[str(currency)] += int(charged or 0)
            books.refunded[str(currency)] += int(refunded or 0)
            if order_id in pending:
                books.money_under_way[str(currency)] += int(charged or 0) - int(refunded or 0)
    for sku, reserved in _rows(home / "inventory.db", "SELECT id, reserved FROM stock"):
        books.reserved[str(sku)] = int(reserved or 0)
    query = "SELECT order_id, pieces FROM reservations WHERE status = 'reserved'"
    for order_id, pieces in _rows(home / "inventory.db", query):
        if order_id in pending:
            books.pieces_under_way.update(json.loads(str(pieces)))
    return books


def tables_of(books: Books) -> tuple[Table, Table]:
    """The money and the stock as a person reads them."""
    money = Table("", "charged", "refunded", "under way", "left", "completed orders", box=None)
    coins = (books.charged, books.refunded, books.money_under_way, books.kept, books.sold)
    for currency in sorted(books.charged.keys() | books.sold.keys()):
        money.add_row(currency, *(_amount(column[currency], currency) for column in coins))
    stock = Table("", "reserved", "under way", "left", "completed orders", box=None)
    pieces = (books.reserved, books.pieces_under_way, books.taken, books.wanted)
    for sku in sorted(books.reserved.keys() | books.wanted.keys()):
        stock.add_row(sku, *(str(column[sku]) for column in pieces))
    return money, stock


def _less(all_of: Counter[str], part: Counter[str]) -> Counter[str]:
    # Not `-`, which hides what falls below zero.
    rest = Counter(all_of)
    rest.subtract(part)
    return rest


def _rows(database: Path, query: str) -> Iterator[tuple[Cell, ...]]:
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=10)) as opened:
        yield from opened.execute(query)


def _amount(minor: int, currency: str) -> str:
    # What is amiss may be negative, and `Money` never is.
    return f"{'-' * (minor < 0)}{Money(minor=abs(minor), currency=currency).amount}"
