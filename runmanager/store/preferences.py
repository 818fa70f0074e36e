"""Preferences: what each admin has chosen for themselves, as small texts with a name."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from runmanager.store.tables import PREFERENCES

_p = PREFERENCES.c


def find(connection: sa.Connection, user_id: str, name: str) -> str | None:
    """What this user keeps under ``name``, None for nothing."""
    statement = sa.select(_p.value).where(_p.user_id == user_id, _p.name == name)
    return connection.execute(statement).scalar_one_or_none()


def keep(connection: sa.Connection, user_id: str, name: str, value: str) -> None:
    """Keep ``value`` under ``name`` for this user, in place of what was there."""
    is_sqlite = connection.dialect.name == "sqlite"
    insert = sqlite.insert(PREFERENCES) if is_sqlite else postgresql.insert(PREFERENCES)
    connection.execute(
        insert.values(user_id=user_id, name=name, value=value).on_conflict_do_update(
            index_elements=[_p.user_id, _p.name], set_={"value": value}
        )
    )
