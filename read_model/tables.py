"""The tables of the read model: one row per saga, one per event."""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import BigInteger, Column, Index, MetaData, UniqueConstraint
from sqlmodel import Field, SQLModel

from read_model.columns import (
    Failures,
    JsonData,
    Name,
    PlainText,
    StepStatuses,
    UtcDateTime,
    word,
)
from saga.envelope import JsonObject
from saga.events import Cause, Status
from saga.state import Failure, StepStatus

METADATA = MetaData(naming_convention={"pk": "pk_%(table_name)s"})
"""Apart from SQLModel's own, in which other tables of the process gather."""


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
    status: Status = Field(sa_column=Column(word(Status), nullable=False))
    cause: Cause | None = Field(default=None, sa_column=Column(word(Cause)))
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


class EventRow(ReadModelTable, table=True):
    """One event of a saga's log; rows are added, and only a repair changes one."""

    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("aggregate_id", "version", name="uq_events_version"),
        UniqueConstraint("saga_id", "epoch", "position", name="uq_events_place"),
    )

    event_id: str = Field(primary_key=True, sa_type=PlainText)
    aggregate_id: str = Field(sa_type=PlainText)
    aggregate_type: str = Field(sa_type=Name)
    event_type: str = Field(sa_type=Name)
    event_data: JsonObject = Field(sa_type=JsonData)
    version: int | None = Field(default=None, sa_type=BigInteger)
    """`told_version`, or NULL where another row of the aggregate has that: see decision 0011."""
    told_version: int = Field(sa_type=BigInteger)
    """The aggregate's own, as the event tells it."""
    occurred_at: datetime = Field(sa_type=UtcDateTime)
    saga_id: str = Field(sa_type=PlainText)
    epoch: int = Field(sa_type=BigInteger)
    position: int
    correlation_id: str = Field(sa_type=PlainText)
    causation_id: str | None = Field(default=None, sa_type=PlainText)
    schema_version: int
    step: str | None = Field(default=None, sa_type=PlainText)
    direction: str | None = Field(default=None, sa_type=PlainText)


EVENTS = METADATA.tables["events"]

Index("idx_events_aggregate", EVENTS.c.aggregate_id, EVENTS.c.version)
Index("idx_events_type", EVENTS.c.event_type)
Index("idx_events_occurred", EVENTS.c.occurred_at)
Index("idx_events_correlation", EVENTS.c.correlation_id)
