"""An index for each list, by which its pages are found and totals are added up."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    newest_first = sa.text("started_at DESC")
    op.drop_index("ix_sagas_status", "sagas")
    op.create_index("ix_sagas_status", "sagas", ["status", newest_first, "saga_id"])
    op.create_index(
        "ix_sagas_type_status", "sagas", ["saga_type", "status", newest_first, "saga_id"]
    )
    op.create_index("ix_sagas_started", "sagas", [newest_first, "saga_id"])


def downgrade() -> None:
    op.drop_index("ix_sagas_started", "sagas")
    op.drop_index("ix_sagas_type_status", "sagas")
    op.drop_index("ix_sagas_status", "sagas")
    op.create_index("ix_sagas_status", "sagas", ["status", "updated_at"])
