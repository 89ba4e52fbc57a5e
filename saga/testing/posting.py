"""What the ledger says: one posting for each thing that happened at the participants."""

from dataclasses import dataclass
from enum import StrEnum


class What(StrEnum):
    """What happened."""

    BEGAN = "began"
    """A call arrived."""
    EFFECT = "effect"
    """It was done, or taken back: the world is another one now."""
    TOMBSTONE = "tombstone"
    """An undo found nothing to take back; its action is barred all the same."""
    ENDED = "ended"
    """A call ended; `how` says whether its answer went out."""


class Role(StrEnum):
    """What a call was for."""

    ACTION = "action"
    UNDO = "undo"
    PROBE = "probe"
    COPY = "copy"
    """An action's copy that arrived late."""


class How(StrEnum):
    """How a call ended at its participant."""

    ANSWERED = "answered"
    REFUSED = "refused"
    OUTAGE = "outage"
    LOST = "lost"
    MISCONFIGURED = "misconfigured"
    BUG = "bug"
    CANCELLED = "cancelled"
    KILLED = "killed"


@dataclass(frozen=True, kw_only=True)
class Posting:
    """One line of the ledger."""

    number: int
    """They are in order, across processes."""
    saga_id: str
    what: What
    role: Role
    name: str
    """`charge-payment`, or `refund-payment`."""
    step: str
    """The step's instance: `charge-payment` for both."""
    key: str
    call: int
    """The number of the posting with which this call began."""
    how: How | None = None
    minor: int | None = None
    """The money it moved, in minor units of `currency`."""
    currency: str | None = None

    def __str__(self) -> str:
        """One line for a person."""
        return f"{self.number:4} {self.what:9} {self.name} {self.how or ''}".rstrip()
