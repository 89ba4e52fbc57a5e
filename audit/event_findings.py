"""What an audit of the published events can find; the kinds are stable, as scripts know them."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from audit.event_rows import About


class EventKind(StrEnum):
    """The kinds of findings."""

    MISSING = "event-missing"
    """A saga's log makes it, and the broker does not have it."""
    DIFFERS = "event-differs"
    """The same id with another content."""
    ORPHAN = "event-orphan"
    """No log makes it."""
    NOT_TAKEN_IN = "event-not-taken-in"
    """A consumer has nothing more to get, and it is not in its inbox."""
    DEAD = "event-dead"
    """A consumer has given up on it."""
    LOG_UNREADABLE = "log-unreadable"
    """What its saga must have published is not known."""


@dataclass(frozen=True, kw_only=True)
class EventFinding:
    """Something that must not be so."""

    kind: EventKind
    message: str
    """One sentence."""
    next: str
    """What to do about it."""
    event_id: str | None = None
    event_type: str | None = None
    order_id: str | None = None
    channel: str | None = None
    consumer: str | None = None

    @property
    def mendable(self) -> bool:
        """Whether publishing it again is what it takes."""
        return self.kind in {EventKind.MISSING, EventKind.NOT_TAKEN_IN}


@dataclass
class ChannelSeen:
    """What one channel holds."""

    name: str
    logged: bool = True
    """Whether this kind of broker keeps what everyone has got."""
    messages: int = 0
    """Of the sagas'."""
    others: int = 0
    """What others have sent."""
    unreadable: int = 0
    """What is no CloudEvent."""


@dataclass(frozen=True)
class ConsumerSeen:
    """What one consumer of a channel has to do with it."""

    name: str
    channel: str
    waiting: int
    """About how many messages it had still to get."""
    dead: int
    """Its dead letters, those of others' events too."""
    inbox: int | None
    """How many of the sagas' events its inbox has; None where it was not looked at."""


@dataclass
class EventAudit:
    """What has been found over all orders and all channels."""

    at: datetime
    sagas: int = 0
    """Those that publish, and those of which that is not known any more."""
    untold: int = 0
    """Of the latter those of which nothing was found, so that nothing can be missing."""
    due: int = 0
    """How many events must have been published."""
    under_way: int = 0
    """How many of these are not out yet or not taken in yet, and may still come."""
    channels: list[ChannelSeen] = field(default_factory=list)
    consumers: list[ConsumerSeen] = field(default_factory=list)
    twice: list[tuple[About, int]] = field(default_factory=list)
    """What is on a broker more than once with the same content, which harms nobody."""
    findings: list[EventFinding] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing is missing, foreign, different or dead."""
        return not self.findings
