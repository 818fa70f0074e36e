"""Operations, from the plan to the receipt, and the files of those that have no other place."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "operations",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("actor_id", sa.Text, nullable=False),
        sa.Column("actor_name", sa.Text, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("spec", sa.Text, nullable=False),
        sa.Column("sentence", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("done", sa.Integer, nullable=False),
        sa.Column("failed", sa.Integer, nullable=False),
        sa.Column("wanted", sa.Text),
        sa.Column("owner", sa.Text),
        sa.Column("lease_until", sa.Double),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("started_at", sa.Double),
        sa.Column("ended_at", sa.Double),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("message", sa.Text),
        sa.Column("interruptions", sa.Integer, nullable=False),
        sa.Column("retries", sa.Integer, nullable=False),
        sa.Column("parent", sa.Text),
        sa.Column("archive_until", sa.Double),
        sa.Column("archive_bytes", sa.BigInteger, nullable=False),
        sa.Column("purged_at", sa.Double),
    )
    op.create_index("operations_created_at", "operations", ["created_at", "id", "state"])
    op.create_index("operations_state", "operations", ["state", "created_at", "id"])
    op.create_index("operations_parent", "operations", ["parent"])
    op.create_index("operations_archive_until", "operations", ["archive_until"])
    op.create_table(
        "files",
        sa.Column("operation_id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("part", sa.Integer, primary_key=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
