"""Pages of a list that stay in their places while rows are added: each begins after a row."""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from read_model.tables import SagaRow


class BadCursor(ValueError):
    """The text is no cursor, or one of another list; the message is one line that says which."""


@dataclass(frozen=True)
class Page:
    """A part of a list."""

    rows: list[SagaRow]
    next: str | None
    """The cursor of the page after this one; None when this is the last."""


class Place(NamedTuple):
    """Where a row stands in a list that is ordered by an instant, then by the sagas' ids."""

    instant: datetime
    saga_id: str


class Listing:
    """One list, named by what is asked for; a cursor fits no other."""

    def __init__(self, name: str, *asked: str | None) -> None:
        asked_for = json.dumps([name, *asked]).encode()
        self._mark = hashlib.sha256(asked_for).hexdigest()[:8]

    def cursor(self, place: Place) -> str:
        """The opaque text for the page after this place."""
        content = json.dumps([self._mark, place.instant.isoformat(), place.saga_id])
        return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")

    def place(self, cursor: str) -> Place:
        """The place that a cursor stands for; raises BadCursor."""
        try:
            mark, place = _read(cursor)
        except (ValueError, TypeError, OverflowError, RecursionError):
            raise BadCursor("this is no cursor; give one that a list has told, whole") from None
        if mark != self._mark:
            raise BadCursor("this cursor is another list's; ask with the filters it was told for")
        return place

    def page(self, rows: Sequence[tuple[SagaRow, Place]], limit: int) -> Page:
        """The first `limit` of the rows, of which there is one more if there is another page."""
        shown = [row for row, _ in rows[:limit]]
        return Page(shown, self.cursor(rows[limit - 1][1]) if len(rows) > limit else None)


def _read(cursor: str) -> tuple[object, Place]:
    padded = cursor + "=" * (-len(cursor) % 4)
    mark, instant, saga_id = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    instant = datetime.fromisoformat(instant)
    if instant.tzinfo is None or not isinstance(saga_id, str):
        raise ValueError(cursor)
    # What no database takes, such as half a surrogate pair, is refused here.
    saga_id.encode()
    return mark, Place(instant.astimezone(UTC), saga_id)
