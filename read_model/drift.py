"""Where the read model says something else than the log of a saga; pure comparisons."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from pydantic import JsonValue
from pydantic_core import to_jsonable_python

from read_model.columns import kept_text
from read_model.event_store import event_of, event_row
from read_model.projector import Told, row_values
from read_model.tables import EventRow, SagaRow
from saga.envelope import JsonObject
from saga.events import SagaStarted
from saga.state import AnyEvent, fold, told_last
from saga.versions import VERSION, version_of

Place = tuple[int, int, int]
"""Epoch, position and version: of two rows of one saga the greater is the newer."""


class DriftKind(StrEnum):
    """How the read model differs from a saga's log."""

    MISSING_ROW = "missing-row"
    ROW = "row"
    """One column of a row: it says something else, or is behind, or ahead of the log."""
    MISSING_EVENT = "missing-event"
    EVENT = "event"
    """One column of an event."""
    INCOMPLETE = "incomplete"
    """The history is gone, and the events that are kept are fewer than the row is made of."""
    ORPHAN = "orphan"
    """A row whose saga neither a history nor an event knows."""
    UNREADABLE = "unreadable"
    """The history is no saga's, or of a form that is not understood."""

    @property
    def lasting(self) -> bool:
        """Whether nothing is there to repair it by."""
        return self in {DriftKind.INCOMPLETE, DriftKind.ORPHAN, DriftKind.UNREADABLE}


@dataclass(frozen=True)
class Drift:
    """One thing that the read model says, and what it should say."""

    saga_id: str
    kind: DriftKind
    field: str | None = None
    """The column."""
    stored: JsonValue = None
    should_be: JsonValue = None
    epoch: int | None = None
    """With `position` the place of an event, if it is about one."""
    position: int | None = None


@dataclass(frozen=True)
class Stored:
    """What the read model has of one saga."""

    row: SagaRow | None = None
    events: Sequence[EventRow] = ()

    def same_row(self, other: "Stored") -> bool:
        """Whether both have the same row, or none."""
        if self.row is None or other.row is None:
            return self.row is other.row
        return _ordered(self.row.model_dump()) == _ordered(other.row.model_dump())


class Found(NamedTuple):
    """A comparison: what should be there, if anything tells it, and what differs."""

    told: Told | None
    drift: Sequence[Drift]

    @property
    def row_differs(self) -> bool:
        """Whether the row is missing or says something else."""
        return any(one.kind in {DriftKind.ROW, DriftKind.MISSING_ROW} for one in self.drift)


NOTHING = Found(None, ())
"""There is nothing to compare with."""


def place_of(row: SagaRow | None) -> Place | None:
    """How new a row is."""
    return None if row is None else (row.epoch, row.position, row.version)


def compared(saga_id: str, stored: Stored, told: Told) -> Found:
    """Compare with the state and the events that a history tells."""
    drift = [*_row_drift(stored.row, told), *_event_drift(saga_id, stored.events, told.events)]
    return Found(told, drift)


def compared_with_events(saga_id: str, stored: Stored) -> Found:
    """Compare a row with the events that are kept, where there is no history."""
    told = _told_by_events(stored.events)
    place = place_of(stored.row)
    if told is not None and (place is None or place <= _place(told)):
        return Found(told, list(_row_drift(stored.row, told)))
    kind = DriftKind.INCOMPLETE if stored.events else DriftKind.ORPHAN
    if stored.row is None and not stored.events:
        return NOTHING
    status = None if stored.row is None else stored.row.status.value
    return Found(None, [Drift(saga_id, kind, "status", status)])


def _place(told: Told) -> Place:
    return told.state.epoch, told.state.position, told.state.version


def _told_by_events(rows: Sequence[EventRow]) -> Told | None:
    events: list[AnyEvent] = [event_of(row) for row in rows]
    last = told_last(events)
    if not last or last[0].event_type != SagaStarted.__name__:
        return None
    return Told(fold(last), events)


def _row_drift(row: SagaRow | None, told: Told) -> Iterator[Drift]:
    saga_id, should_be = told.state.saga_id, row_values(told.state)
    if row is None:
        status = told.state.status.value
        yield Drift(saga_id, DriftKind.MISSING_ROW, should_be=status)
        return
    for name, value in _differing(_ordered(row.model_dump()), _ordered(should_be)):
        yield Drift(saga_id, DriftKind.ROW, name, *value)


def _ordered(row: Mapping[str, Any]) -> dict[str, Any]:
    # As a list, since the order of the steps counts too.
    return {**row, "steps": list(row["steps"].items())}


def _event_drift(
    saga_id: str, rows: Sequence[EventRow], events: Sequence[AnyEvent]
) -> Iterator[Drift]:
    kept = {(row["epoch"], row["position"]): row for row in rows}
    for event in sorted(events, key=lambda event: (event.epoch, event.position)):
        place = (event.epoch, event.position)
        row = kept.get(place)
        if row is None:
            missing = event.event_type
            yield Drift(saga_id, DriftKind.MISSING_EVENT, None, None, missing, *place)
            continue
        should_be = event_row(event)
        if row["version"] is None:
            # Another row has the version, or had it when this one came.
            should_be["version"] = None
        for name, value in _differing(row, _as_recorded(row, should_be)):
            yield Drift(saga_id, DriftKind.EVENT, name, *value, *place)


def _as_recorded(row: EventRow, should_be: EventRow) -> EventRow:
    """What should be there, with the data in the version that is there if it says the same.

    An event is kept in the version of the day, and read in that of another: a history is lifted
    only as far as this process knows the types of its events.
    """
    stored, wanted = row["event_data"], should_be["event_data"]
    if stored == wanted:
        return should_be
    newer = any(had > has for had, has in zip(_versions(stored), _versions(wanted), strict=True))
    same = _explicit(stored) == _explicit(wanted)
    if newer or same or _kept(event_row(event_of(row))["event_data"]) == _kept(wanted):
        return {**should_be, "event_data": stored, "schema_version": version_of(stored)}
    return should_be


def _versions(data: JsonObject) -> tuple[int, int]:
    """That of the data, and that of the command which a `SagaStarted` carries."""
    command = data.get("command")
    return version_of(data), version_of(command) if isinstance(command, dict) else 0


def _explicit(data: JsonObject) -> object:
    # What says no version was recorded in the first one.
    return _kept({VERSION: 1, **data})


def _differing(
    stored: Mapping[str, object], should_be: Mapping[str, object]
) -> Iterator[tuple[str, tuple[JsonValue, JsonValue]]]:
    for name, value in should_be.items():
        if stored[name] != value and _kept(stored[name]) != _kept(value):
            yield name, (_shown(stored[name]), _shown(value))


def _kept(value: object) -> object:
    """A value as any database keeps it, so that only what it says is compared."""
    match value:
        case str():
            return kept_text(value)
        case float() if value.is_integer():
            # JSONB keeps the decimal number; 1e23 comes back as an integer.
            return int(Decimal(repr(value)))
        case dict():
            return {kept_text(name): _kept(it) for name, it in value.items()}
        case list() | tuple():
            return [_kept(it) for it in value]
        case _:
            return value


def _shown(value: object) -> JsonValue:
    shown: JsonValue = to_jsonable_python(value)
    return shown
