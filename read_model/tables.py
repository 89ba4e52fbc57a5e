"""The table of the read model: one row per saga, as its newest projected state says."""

from datetime import UTC, datetime
from typing import ClassVar

from pydantic import TypeAdapter
from sqlalchemy import JSON, BigInteger, Column, DateTime, Dialect, Enum, Index, MetaData, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlmodel import Field, SQLModel

from saga.events import Cause, Status
from saga.state import Failure, StepStatus

METADATA = MetaData(naming_convention={"pk": "pk_%(table_name)s"})
"""Apart from SQLModel's own, in which other tables of the process gather."""


class PlainText(TypeDecorator[str]):
    """Text of any length; NUL, which PostgreSQL cannot store, is shown as U+FFFD."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Replace what would be refused on every attempt, and keep its saga open for ever."""
        return value and value.replace("\0", "\ufffd")


class UtcDateTime(TypeDecorator[datetime]):
    """An instant, aware and in UTC also on SQLite, which keeps no time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The instant in UTC; raises ValueError for one without a time zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The stored instant with its time zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class StepStatuses(TypeDecorator[dict[str, StepStatus]]):
    """How each step stands, stored as pairs: PostgreSQL's JSONB keeps no order of keys."""

    impl = JSON
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[object]:
        """JSONB on PostgreSQL."""
        return dialect.type_descriptor(JSONB() if dialect.name == "postgresql" else JSON())

    def process_bind_param(
        self, value: dict[str, StepStatus] | None, dialect: Dialect
    ) -> list[list[str]] | None:
        """The pairs."""
        return None if value is None else [[step, status.value] for step, status in value.items()]

    def process_result_value(
        self, value: list[list[str]] | None, dialect: Dialect
    ) -> dict[str, StepStatus] | None:
        """The steps, in the order in which they started."""
        return None if value is None else {step: StepStatus(status) for step, status in value}


_FAILURES = TypeAdapter(tuple[Failure, ...])


class Failures(TypeDecorator[tuple[Failure, ...]]):
    """What a saga is stuck on, as a list of objects; NULL is read as nothing."""

    impl = JSON
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[object]:
        """JSONB on PostgreSQL."""
        return dialect.type_descriptor(JSONB() if dialect.name == "postgresql" else JSON())

    def process_bind_param(
        self, value: tuple[Failure, ...] | None, dialect: Dialect
    ) -> list[dict[str, str]] | None:
        """The objects; NUL is replaced as in `PlainText`."""
        stored: list[dict[str, str]] = _FAILURES.dump_python(_FAILURES.validate_python(value or ()))
        return [{name: it.replace("\0", "\ufffd") for name, it in one.items()} for one in stored]

    def process_result_value(
        self, value: list[dict[str, str]] | None, dialect: Dialect
    ) -> tuple[Failure, ...]:
        """The failures, in the order in which the saga became stuck on them."""
        return _FAILURES.validate_python(value or ())


def _word(kind: type[Status] | type[Cause]) -> Enum:
    return Enum(kind, native_enum=False, length=32, values_callable=lambda it: [*it])


class ReadModelTable(SQLModel):
    """Base of the read model's tables."""

    metadata: ClassVar[MetaData] = METADATA


class SagaRow(ReadModelTable, table=True):
    """One saga."""

    __tablename__ = "sagas"

    saga_id: str = Field(primary_key=True, sa_type=PlainText)
    saga_type: str = Field(sa_type=PlainText)
    business_id: str = Field(sa_type=PlainText)
    customer_id: str | None = Field(default=None, sa_type=PlainText)
    status: Status = Field(sa_column=Column(_word(Status), nullable=False))
    cause: Cause | None = Field(default=None, sa_column=Column(_word(Cause)))
    current_step: str | None = Field(default=None, sa_type=PlainText)
    failure_step: str | None = Field(default=None, sa_type=PlainText)
    """What caused the compensation, or else what a person has to repair."""
    failure_type: str | None = Field(default=None, sa_type=PlainText)
    failure_message: str | None = Field(default=None, sa_type=PlainText)
    stuck: tuple[Failure, ...] = Field(default=(), sa_type=Failures, nullable=True)
    """All that a person has to repair; nothing in a row that an older version has written."""
    stuck_since: datetime | None = Field(default=None, sa_type=UtcDateTime)
    amount_minor: int | None = Field(default=None, sa_type=BigInteger)
    """In minor units of `currency` (ISO 4217)."""
    currency: str | None = Field(default=None, sa_type=PlainText)
    item_count: int | None = Field(default=None, sa_type=BigInteger)
    version: int
    """How many events the row is made of."""
    epoch: int = Field(sa_type=BigInteger)
    position: int
    correlation_id: str = Field(sa_type=PlainText)
    steps: dict[str, StepStatus] = Field(sa_type=StepStatuses)
    """By step instance, in the order in which they started."""
    started_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
    closed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


TABLE = METADATA.tables["sagas"]

# Unique by way of the key, which is made of the two. A second unique index would fail upserts
# that run at once: PostgreSQL settles conflicts in the one index that ON CONFLICT names.
Index("ix_sagas_business", TABLE.c.saga_type, TABLE.c.business_id)
Index("ix_sagas_customer", TABLE.c.customer_id, TABLE.c.started_at.desc(), TABLE.c.saga_id)
Index("ix_sagas_type", TABLE.c.saga_type, TABLE.c.started_at.desc(), TABLE.c.saga_id)
Index("ix_sagas_status", TABLE.c.status, TABLE.c.started_at.desc(), TABLE.c.saga_id)
Index(
    "ix_sagas_type_status",
    TABLE.c.saga_type,
    TABLE.c.status,
    TABLE.c.started_at.desc(),
    TABLE.c.saga_id,
)
Index("ix_sagas_started", TABLE.c.started_at.desc(), TABLE.c.saga_id)
Index("ix_sagas_correlation", TABLE.c.correlation_id)
