"""What Alembic runs: the migrations, inside the transaction that it is given."""

from __future__ import annotations

from alembic import context

from runmanager.store.migrating import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    version_table=VERSION_TABLE,
)
context.run_migrations()
