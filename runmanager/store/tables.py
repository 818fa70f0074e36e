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

# ``lease_until`` is until when ``owner`` has the operation; without an owner, until when it waits
# for its next turn. ``sentence`` and ``reason`` stand in ``spec`` too: lists do without reading it.
OPERATIONS = sa.Table(
    "operations",
    metadata,
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
    # Lists are counted and ordered by an index alone: rows are wide.
    sa.Index("operations_created_at", "created_at", "id", "state", "kind"),
    sa.Index("operations_actor_name", "actor_name", "created_at", "id", "state", "kind"),
    sa.Index("operations_state", "state", "created_at", "id", "kind"),
    sa.Index("operations_parent", "parent"),
    sa.Index("operations_archive_until", "archive_until", "archive_bytes"),
)

FILES = sa.Table(
    "files",
    metadata,
    sa.Column("operation_id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("part", sa.Integer, primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
)
