"""Why a message was not handled, and what follows from that.

Refused      it will never be handled as it is: a dead letter at once
Outage       something that is needed is away: tried again until it is back
anything else  a bug: tried again a few times, then a dead letter
"""

import logging
import sqlite3
import time
from enum import Enum, auto

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionInTime

from brokers.envelope import Message, UnreadableMessage
from brokers.port import BrokerUnreachable
from runtime.errors import ServerUnreachable

log = logging.getLogger("consumer")

_TRANSIENT_STATES = ("08", "40", "53", "57")
"""Classes of SQLSTATE: connection lost, rolled back, out of resources, shut down or starting."""
_DATA_STATE = "22"
_SQLITE_TRANSIENT = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
}
_TOLD_EVERY_SECONDS = 30.0


class Unacceptable(Exception):
    """Raised by a handler that will never accept the message, however often it comes."""


class Unavailable(Exception):
    """Raised by a handler that misses something which will be back: it is tried until then."""


class ChainTooDeep(Unacceptable):
    """More messages have led to this one, each by being reacted to, than a sound chain has."""


class Kind(Enum):
    """What kind of failure an exception is."""

    REFUSED = auto()
    OUTAGE = auto()
    BUG = auto()


def kind_of(error: Exception) -> Kind:
    """What kind of failure it is; a group of exceptions is an outage if each of them is."""
    match error:
        case UnreadableMessage() | Unacceptable():
            return Kind.REFUSED
        case Unavailable() | BrokerUnreachable() | ServerUnreachable():
            return Kind.OUTAGE
        case OSError() | NoConnectionInTime():
            return Kind.OUTAGE
        case ExceptionGroup():
            kinds = {kind_of(one) for one in error.exceptions}
            return Kind.OUTAGE if kinds == {Kind.OUTAGE} else Kind.BUG
        case _:
            return Kind.OUTAGE if _is_database_away(error) else Kind.BUG


def kind_before_handling(error: Exception) -> Kind:
    """What kind of failure it is if no handler has seen the message yet.

    A database that has no table for the inbox, or does not let us in, is not the message's fault:
    none is buried for it.
    """
    kind = kind_of(error)
    return Kind.OUTAGE if kind is Kind.BUG and not _is_of_the_data(error) else kind


def _is_database_away(error: Exception) -> bool:
    cause = error.orig if isinstance(error, DBAPIError) else error
    # SQLite calls a table that is missing an operational error, too.
    if (code := getattr(cause, "sqlite_errorcode", None)) is not None:
        return code & 0xFF in _SQLITE_TRANSIENT
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return _state(cause).startswith(_TRANSIENT_STATES)


def _is_of_the_data(error: Exception) -> bool:
    cause = error.orig if isinstance(error, DBAPIError) else error
    # The driver's own refusals of a value are interface errors to SQLAlchemy.
    refused_here = isinstance(cause, ValueError) or isinstance(
        getattr(cause, "__cause__", None), ValueError
    )
    return refused_here or _state(cause).startswith(_DATA_STATE)


def _state(cause: BaseException | None) -> str:
    return getattr(cause, "sqlstate", None) or ""


class OutageLog:
    """Says when messages begin to wait, every half minute that any does, and when none does."""

    def __init__(self, consumer: str) -> None:
        self._consumer = consumer
        self._waiting: set[int] = set()
        self._since = self._told_at = 0.0

    def waits(self, message: Message, error: Exception) -> None:
        """Something that the message needs is away."""
        now = time.monotonic()
        first = not self._waiting
        if first:
            self._since = now
        self._waiting.add(id(message))
        if first or now - self._told_at >= _TOLD_EVERY_SECONDS:
            self._told_at = now
            log.warning(
                "%s: %d messages wait, for %.0f s now, and are tried again: %s: %s",
                *(self._consumer, len(self._waiting), now - self._since),
                *(type(error).__name__, first_line(error)),
            )

    def goes_on(self, message: Message) -> None:
        """What the message needed is back."""
        if id(message) in self._waiting:
            self._waiting.remove(id(message))
            if not self._waiting:
                seconds = time.monotonic() - self._since
                log.info("%s: all messages go on, after %.1f s", self._consumer, seconds)


def first_line(error: BaseException, longest: int = 500) -> str:
    """What the error says, in one line that a header or a terminal can take."""
    [line, *_] = str(error).strip().splitlines() or [repr(error)]
    printable = "".join(c if c.isprintable() else " " for c in line)
    return printable if len(printable) <= longest else printable[: longest - 1] + "…"
