"""What the tables of all services have in common, and the types their requests are made of."""

from datetime import UTC, datetime
from typing import Annotated, ClassVar

from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy import DateTime, Dialect, Text
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field as Column
from sqlmodel import SQLModel

VOID = "void"

# Ids travel in paths; NUL is refused by PostgreSQL.
Id = Annotated[
    str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\s/?#\x00-\x1f\x7f]+$")
]
FreeText = Annotated[str, StringConstraints(max_length=2000, pattern=r"^[^\x00]*$")]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Minor = Annotated[int, Field(strict=True, ge=0, le=10**15)]
Quantity = Annotated[int, Field(strict=True, ge=1, le=10**6)]


class UtcDateTime(TypeDecorator[datetime]):
    """An instant in UTC, the same on SQLite (which keeps no time zone) and PostgreSQL."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the stored instant with its time zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Versioned(SQLModel):
    """A row that counts its changes: `version` starts at 1."""

    id: str = Column(primary_key=True, sa_type=Text)
    version: int = 1
    created_at: datetime = Column(sa_type=UtcDateTime)
    updated_at: datetime = Column(sa_type=UtcDateTime)

    def changed(self, at: datetime) -> None:
        """Count one change, made at `at`."""
        self.version += 1
        self.updated_at = at


class Resource(Versioned):
    """A row that one action creates and one undo takes back.

    `collection` is the path of that action and `made_by` its key. A row of status `void` was never
    created: its undo came first, and keeps the id from being created later. All columns of a
    subclass have defaults, which are those of a void row.
    """

    collection: ClassVar[str]

    status: str
    made_by: str = Column(sa_type=Text)


class Undo(BaseModel):
    """The body of an undo request."""

    reason: FreeText = ""


class Answer(BaseModel):
    """What every answer about a row carries: its version, and when it last changed."""

    version: int
    occurred_at: datetime
