"""One row per saga."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "sagas",
        sa.Column("saga_id", sa.Text(), nullable=False),
        sa.Column("saga_type", sa.Text(), nullable=False),
        sa.Column("business_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text()),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("cause", sa.String(32)),
        sa.Column("current_step", sa.Text()),
        sa.Column("failure_step", sa.Text()),
        sa.Column("failure_type", sa.Text()),
        sa.Column("failure_message", sa.Text()),
        sa.Column("amount_minor", sa.BigInteger()),
        sa.Column("currency", sa.Text()),
        sa.Column("item_count", sa.BigInteger()),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("steps", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("saga_id", name="pk_sagas"),
    )
    newest_first = sa.text("started_at DESC")
    op.create_index("ix_sagas_business", "sagas", ["saga_type", "business_id"])
    op.create_index("ix_sagas_customer", "sagas", ["customer_id", newest_first, "saga_id"])
    op.create_index("ix_sagas_type", "sagas", ["saga_type", newest_first, "saga_id"])
    op.create_index("ix_sagas_status", "sagas", ["status", "updated_at"])
    op.create_index("ix_sagas_correlation", "sagas", ["correlation_id"])


def downgrade() -> None:
    op.drop_table("sagas")
