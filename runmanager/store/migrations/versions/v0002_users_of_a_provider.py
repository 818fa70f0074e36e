"""What the provider of a single sign-on calls a user: some end sign-ins by that alone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column and its index."""
    op.add_column("sessions", sa.Column("provider_user", sa.Text))
    op.create_index("sessions_provider_user", "sessions", ["provider_user"])
