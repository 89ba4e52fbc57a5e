"""Runs the revisions on the connection, and in the transaction, of `read_model.migration`."""

from alembic import context

from read_model.migration import VERSION_TABLE
from read_model.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
    render_as_batch=True,
    # The database may be shared with others' tables, which autogenerate would drop.
    include_name=lambda name, kind, _: kind != "table" or name in METADATA.tables,
)
with context.begin_transaction():
    context.run_migrations()
