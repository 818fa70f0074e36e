"""The store's tables as they are now; the migrations beside this file lead there."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

META = sa.Table(
    "meta",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

# Times are seconds since 1970, in UTC.
SESSIONS = sa.Table(
    "sessions",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("method", sa.Text, nullable=False),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("username", sa.Text, nullable=False),
    sa.Column("provider_session", sa.Text),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("used_at", sa.Double, nullable=False),
    sa.Column("expires_at", sa.Double, nullable=False),
    sa.Column("ended_at", sa.Double),
    sa.Column("provider_user", sa.Text),
    sa.Index("sessions_user_id", "user_id"),
    sa.Index("sessions_expires_at", "expires_at"),
    sa.Index("sessions_provider_session", "provider_session"),
    sa.Index("sessions_provider_user", "provider_user"),
)

THROTTLES = sa.Table(
    "throttles",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("last_at", sa.Double, nullable=False),
    sa.Index("throttles_last_at", "last_at"),
)

PREFERENCES = sa.Table(
    "preferences",
    metadata,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
