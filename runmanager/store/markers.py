"""What the store knows of a place outside it that is its own: the id that the place must show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from runmanager.store.tables import META

if TYPE_CHECKING:
    from runmanager.store.database import Store


def claim(store: Store, name: str, marker: str) -> str:
    """The marker that the store keeps under ``name``: this one where it has none yet."""
    with store.write() as connection:
        is_sqlite = connection.dialect.name == "sqlite"
        insert = sqlite.insert(META) if is_sqlite else postgresql.insert(META)
        connection.execute(insert.values(name=name, value=marker).on_conflict_do_nothing())
        found: str = connection.execute(
            sa.select(META.c.value).where(META.c.name == name)
        ).scalar_one()
    return found


def find(connection: sa.Connection, name: str) -> str | None:
    """What the store keeps under ``name``; None where it has nothing."""
    found: str | None = connection.execute(
        sa.select(META.c.value).where(META.c.name == name)
    ).scalar_one_or_none()
    return found


def settle(store: Store, name: str, marker: str) -> None:
    """Let the store keep ``marker`` in place of what it has under ``name``."""
    with store.write() as connection:
        connection.execute(sa.update(META).where(META.c.name == name).values(value=marker))
