"""What stands in the ledger of an audit of published events, and what is read out of it."""

from enum import StrEnum
from typing import NamedTuple


class Due(StrEnum):
    """Whether an event has to be on the broker."""

    MUST = "must"
    MAY = "may"
    """An abandoned run may have told it, or nobody asked for it."""
    UNSURE = "unsure"
    """Whether its saga publishes is not known any more: it does if anything of it is found."""


class Told(NamedTuple):
    """An event that a saga's log makes."""

    id: str
    order_id: str
    place: int
    """Orders those of one saga."""
    channel: str
    type: str
    at: float
    """Seconds since 1970, as are all instants here."""
    due: Due
    open: bool
    """Whether its saga has not closed, and may still be publishing it."""
    digest: bytes | None
    """Of what it says; None where that is not known."""


class Held(NamedTuple):
    """An event that stands in a broker's log."""

    id: str
    channel: str
    type: str
    order_id: str
    digest: bytes | None


class Taken(NamedTuple):
    """A row of a consumer's inbox."""

    consumer: str
    id: str
    type: str
    at: float


class Dead(NamedTuple):
    """An event among a consumer's dead letters."""

    consumer: str
    id: str
    channel: str
    type: str
    order_id: str
    letter: str
    """The dead letter's own id."""


class Listens(NamedTuple):
    """A consumer whose inbox is looked at, and a type of event that it takes in."""

    consumer: str
    type: str
    waiting: int
    """How many messages it had still to get before its inbox was read."""


class About(NamedTuple):
    """An event that something is wrong with."""

    id: str
    type: str
    channel: str
    order_id: str


class Missing(NamedTuple):
    """An event that is not on the broker."""

    id: str
    type: str
    channel: str
    order_id: str
    open: bool
    at: float


class NotTakenIn(NamedTuple):
    """An event that is not in an inbox, and no dead letter of that consumer."""

    id: str
    type: str
    channel: str
    order_id: str
    open: bool
    at: float
    consumer: str
    waiting: int
    held: bool
    """Whether it is known to be on the broker."""
