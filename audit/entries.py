"""What the participants keep for one order, as plain data."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, NamedTuple

from contracts.money import decimal_amount

VOID = "void"
"""The status of what was undone before it was done: there is no effect."""


class Amount(NamedTuple):
    """A sum of money as it stands in a book, in minor units; what is amiss may be negative."""

    minor: int
    currency: str

    def __str__(self) -> str:
        return f"{decimal_amount(self.minor, self.currency)} {self.currency}"


class Participant(StrEnum):
    """The services whose books are audited; also their names in the settings."""

    ORDER = "order"
    PAYMENT = "payment"
    INVENTORY = "inventory"
    SHIPPING = "shipping"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One row of a participant's database."""

    participant: ClassVar[Participant]
    standing: ClassVar[frozenset[str]]
    """The statuses in which the effect is there and has not been taken back."""

    id: str
    order_id: str
    status: str
    version: int
    made_by: str
    """The idempotency key of the action that made it."""
    created_at: datetime
    updated_at: datetime

    @property
    def void(self) -> bool:
        """Whether there never was an effect."""
        return self.status == VOID

    @property
    def stands(self) -> bool:
        """Whether the effect is there."""
        return self.status in self.standing

    @property
    def told(self) -> str:
        """The entry in a few words."""
        return f"{self.id} {self.status}"


@dataclass(frozen=True, kw_only=True)
class OrderEntry(Entry):
    """An order."""

    participant = Participant.ORDER
    standing = frozenset({"pending", "confirmed"})

    currency: str
    total_minor: int
    shipment_id: str | None

    @property
    def total(self) -> Amount:
        """What it costs."""
        return Amount(self.total_minor, self.currency)

    @property
    def confirmed(self) -> bool:
        """Whether it is on its way, for good."""
        return self.status == "confirmed"


@dataclass(frozen=True, kw_only=True)
class PaymentEntry(Entry):
    """A charge, in minor units."""

    participant = Participant.PAYMENT
    standing = frozenset({"captured"})

    currency: str
    amount_minor: int
    refunded_minor: int

    @property
    def stands(self) -> bool:
        """Whether some of it is not given back, whatever the status says."""
        if self.amount_minor == 0 == self.refunded_minor:
            return self.status in self.standing  # What costs nothing is charged too.
        return not self.void and self.kept.minor > 0

    @property
    def charged(self) -> Amount:
        """What was charged."""
        return Amount(self.amount_minor, self.currency)

    @property
    def refunded(self) -> Amount:
        """What was given back."""
        return Amount(self.refunded_minor, self.currency)

    @property
    def kept(self) -> Amount:
        """What was charged and not given back."""
        return Amount(self.amount_minor - self.refunded_minor, self.currency)

    @property
    def told(self) -> str:
        """The entry with its sums."""
        back = f" with {self.refunded} given back" if self.refunded_minor else ""
        return f"{self.id} {self.status}, {self.charged}{back}"


@dataclass(frozen=True, kw_only=True)
class ReservationEntry(Entry):
    """Pieces that are kept for an order, by SKU."""

    participant = Participant.INVENTORY
    standing = frozenset({"reserved"})

    pieces: Mapping[str, int]

    @property
    def told(self) -> str:
        """The entry with its pieces."""
        return f"{self.id} {self.status}, {pieces_told(self.pieces)}"


@dataclass(frozen=True, kw_only=True)
class ShipmentEntry(Entry):
    """A parcel."""

    participant = Participant.SHIPPING
    standing = frozenset({"created", "dispatched"})


@dataclass(frozen=True)
class Kept:
    """All that the participants keep for one order."""

    orders: tuple[OrderEntry, ...] = ()
    payments: tuple[PaymentEntry, ...] = ()
    reservations: tuple[ReservationEntry, ...] = ()
    shipments: tuple[ShipmentEntry, ...] = ()

    def __iter__(self) -> Iterator[Entry]:
        """Every entry, in the order in which a saga makes them."""
        yield from (*self.orders, *self.payments, *self.reservations, *self.shipments)


@dataclass(frozen=True)
class StockEntry:
    """The stock of one SKU, as the inventory service counts it."""

    sku: str
    on_hand: int
    reserved: int


def pieces_told(pieces: Mapping[str, int]) -> str:
    """The pieces as a person reads them: `2 BOOK, 1 PEN`."""
    return ", ".join(f"{quantity} {sku}" for sku, quantity in sorted(pieces.items())) or "nothing"
