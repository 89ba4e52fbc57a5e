"""What people have done with dead letters."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "dead_letter_actions",
        sa.Column("letter_id", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("event_type", sa.Text()),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("consumer_group", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("done_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("correlation_id", sa.Text()),
        sa.PrimaryKeyConstraint("letter_id", "done_at", name="pk_dead_letter_actions"),
    )
    op.create_index("idx_dead_letter_actions_event", "dead_letter_actions", ["event_id", "done_at"])


def downgrade() -> None:
    op.drop_table("dead_letter_actions")
