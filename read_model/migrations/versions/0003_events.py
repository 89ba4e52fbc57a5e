"""The events of all sagas."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("aggregate_id", sa.Text(), nullable=False),
        sa.Column("aggregate_type", sa.String(100), nullable=False),
        sa.Column("event_type", sa.String(100), nullable=False),
        sa.Column("event_data", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.Column("version", sa.BigInteger()),
        sa.Column("told_version", sa.BigInteger(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("saga_id", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("causation_id", sa.Text()),
        sa.Column("schema_version", sa.Integer(), nullable=False),
        sa.Column("step", sa.Text()),
        sa.Column("direction", sa.Text()),
        sa.PrimaryKeyConstraint("event_id", name="pk_events"),
        sa.UniqueConstraint("aggregate_id", "version", name="uq_events_version"),
        sa.UniqueConstraint("saga_id", "epoch", "position", name="uq_events_place"),
    )
    op.create_index("idx_events_aggregate", "events", ["aggregate_id", "version"])
    op.create_index("idx_events_type", "events", ["event_type"])
    op.create_index("idx_events_occurred", "events", ["occurred_at"])
    op.create_index("idx_events_correlation", "events", ["correlation_id"])


def downgrade() -> None:
    op.drop_table("events")
