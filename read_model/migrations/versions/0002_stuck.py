"""What a saga is stuck on, and since when."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    # Without defaults: rows stay as they are, and workers of the version before can still write.
    json = sa.JSON().with_variant(JSONB(), "postgresql")
    op.add_column("sagas", sa.Column("stuck", json))
    op.add_column("sagas", sa.Column("stuck_since", sa.DateTime(timezone=True)))


def downgrade() -> None:
    op.drop_column("sagas", "stuck_since")
    op.drop_column("sagas", "stuck")
