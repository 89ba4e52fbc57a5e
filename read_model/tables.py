"""The tables of the read model: one row per saga, one per event."""

from datetime import datetime
from typing import ClassVar, TypedDict

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, Table, UniqueConstraint
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


class EventRow(TypedDict):
    """One event of a saga's log; rows are added, and only a repair changes one.

    No object of a class, as there are a dozen and more of each saga.
    """

    event_id: str
    aggregate_id: str
    aggregate_type: str
    event_type: str
    event_data: JsonObject
    version: int | None
    """`told_version`, or None where another row of the aggregate has that: see decision 0011."""
    told_version: int
    """The aggregate's own, as the event tells it."""
    occurred_at: datetime
    saga_id: str
    epoch: int
    position: int
    correlation_id: str
    causation_id: str | None
    schema_version: int
    step: str | None
    direction: str | None


EVENTS = Table(
    "events",
    METADATA,
    Column("event_id", PlainText, primary_key=True),
    Column("aggregate_id", PlainText, nullable=False),
    Column("aggregate_type", Name, nullable=False),
    Column("event_type", Name, nullable=False),
    Column("event_data", JsonData, nullable=False),
    Column("version", BigInteger),
    Column("told_version", BigInteger, nullable=False),
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("saga_id", PlainText, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("position", Integer, nullable=False),
    Column("correlation_id", PlainText, nullable=False),
    Column("causation_id", PlainText),
    Column("schema_version", Integer, nullable=False),
    Column("step", PlainText),
    Column("direction", PlainText),
    UniqueConstraint("aggregate_id", "version", name="uq_events_version"),
    UniqueConstraint("saga_id", "epoch", "position", name="uq_events_place"),
)

Index("idx_events_aggregate", EVENTS.c.aggregate_id, EVENTS.c.version)
Index("idx_events_type", EVENTS.c.event_type)
Index("idx_events_occurred", EVENTS.c.occurred_at)
Index("idx_events_correlation", EVENTS.c.correlation_id)

DEAD_LETTER_ACTIONS = Table(
    "dead_letter_actions",
    METADATA,
    Column("letter_id", PlainText, primary_key=True),
    Column("event_id", PlainText, nullable=False),
    Column("event_type", PlainText),
    Column("channel", PlainText, nullable=False),
    Column("consumer_group", PlainText, nullable=False),
    Column("action", PlainText, nullable=False),
    Column("done_by", PlainText, nullable=False),
    Column("reason", PlainText, nullable=False),
    Column("done_at", UtcDateTime, primary_key=True),
    Column("correlation_id", PlainText),
)
"""What people have done with dead letters; of no saga, so no history can make it again."""

Index(
    "idx_dead_letter_actions_event",
    DEAD_LETTER_ACTIONS.c.event_id,
    DEAD_LETTER_ACTIONS.c.done_at,
)
