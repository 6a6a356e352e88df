"""What alembic runs: the migrations on the connection it was given, in that connection's transaction."""

from alembic import context

from lakeloop.migrations.schema import VERSION_TABLE
from lakeloop.operational_db import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,  # SQLite cannot change a column: its table is made anew
)
with context.begin_transaction():
    context.run_migrations()
