"""The operations of one admin or one kind, and how much is archived, by an index alone."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make an index for an admin's, and let those that are there tell a little more."""
    op.create_index(
        "operations_actor_name",
        "operations",
        ["actor_name", "created_at", "id", "state", "kind"],
    )
    op.drop_index("operations_created_at", "operations")
    op.create_index(
        "operations_created_at",
        "operations",
        ["created_at", "id", "state", "kind"],
    )
    op.drop_index("operations_state", "operations")
    op.create_index("operations_state", "operations", ["state", "created_at", "id", "kind"])
    op.drop_index("operations_archive_until", "operations")
    op.create_index("operations_archive_until", "operations", ["archive_until", "archive_bytes"])
