"""The statements that write the read model; each changes nothing when it is repeated.

An event that another one has overtaken by `(aggregate_id, version)` is appended a second time,
with `version` NULL: see decision 0011.
"""

from collections.abc import Mapping
from typing import TypeVar

from sqlalchemy import Select, bindparam, column, func, null, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSONB

from read_model.tables import EVENTS, TABLE, EventRow

InsertT = TypeVar("InsertT", postgresql.Insert, sqlite.Insert)

GIVEN_EVENTS = "given_events"
"""The parameter of `POSTGRES_WRITE` with the events, each as `as_json` has it."""


def as_json(event: EventRow) -> Mapping[str, object]:
    """An event's row as `POSTGRES_WRITE` reads it."""
    return {**event, "occurred_at": event["occurred_at"].isoformat()}


def _upsert(insert: InsertT) -> InsertT:
    """Have a row replaced by a newer one only."""
    new, old = insert.excluded, TABLE.c
    return insert.on_conflict_do_update(
        index_elements=[old.saga_id],
        set_={column.name: new[column.name] for column in TABLE.columns if not column.primary_key},
        where=tuple_(new.epoch, new.position, new.version)
        > tuple_(old.epoch, old.position, old.version),
    )


def _postgres_write() -> postgresql.Insert:
    """One statement, which saves the round trips of a transaction."""
    names = [it.name for it in EVENTS.columns]
    given = select(
        func.jsonb_to_recordset(bindparam(GIVEN_EVENTS, type_=JSONB))
        .table_valued(*(column(it.name, it.type) for it in EVENTS.columns))
        .render_derived(name="given", with_types=True)
    ).cte("given_event")

    def append(rows: Select[tuple[object, ...]]) -> postgresql.Insert:
        # In one order, so that two who append the same events never wait for each other.
        place = (given.c.saga_id, given.c.epoch, given.c.position)
        ordered = rows.order_by(given.c.aggregate_id, given.c.told_version, *place)
        return postgresql.insert(EVENTS).from_select(names, ordered).on_conflict_do_nothing()

    first = append(select(given)).returning(EVENTS.c.event_id).cte("first")
    left = select(*(null() if name == "version" else given.c[name] for name in names))
    overtaken = left.where(given.c.event_id.not_in(select(first.c.event_id)))
    return _upsert(postgresql.insert(TABLE)).add_cte(append(overtaken).cte("overtaken"))


SQLITE_APPEND = sqlite.insert(EVENTS).on_conflict_do_nothing()
SQLITE_UPSERT = _upsert(sqlite.insert(TABLE))
POSTGRES_WRITE = _postgres_write()
