"""Who is who, and who is an admin, as the host's users table says at this moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.host.ids import has_id, storable
from runmanager.records import Account, Actor

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from runmanager.host.values import Host


def _is_active_admin(host: Host) -> list[sa.ColumnElement[bool]]:
    users = host.users.c
    found = [_is_true(users.is_admin)]
    if "is_active" in users:
        found.append(_is_true(users.is_active))
    return found


def _is_true(column: sa.Column[Any]) -> sa.ColumnElement[bool]:
    """Whether a flag is set, be it a boolean, a number or a word; NULL gives nothing away."""
    if isinstance(column.type, sa.BigInteger):
        # PostgreSQL casts no bigint or smallint to boolean.
        return sa.func.coalesce(column, 0) != 0
    return sa.cast(column, sa.Boolean).is_(True)


def is_admin(connection: sa.Connection, host: Host, actor: Actor) -> bool:
    """Whether the actor's user row is there, still has their name, and is an active admin's."""
    if not storable(actor.username):
        return False
    users = host.users.c
    statement = sa.select(sa.literal(1)).where(
        has_id(users.id, [actor.user_id]),
        sa.cast(users.username, sa.Text) == actor.username,
        *_is_active_admin(host),
    )
    return connection.scalar(statement.limit(1)) is not None


def admins(connection: sa.Connection, host: Host) -> list[Account]:
    """Every active admin who has a name."""
    return _accounts(connection, host, _is_active_admin(host))


def with_ids(connection: sa.Connection, host: Host, user_ids: Collection[str]) -> list[Account]:
    """The users with these ids, whoever they are."""
    return _accounts(connection, host, [has_id(host.users.c.id, list(user_ids))])


def with_text(connection: sa.Connection, host: Host, column: str, text: str) -> list[Account]:
    """Up to two users whose ``column``, a text of the users table, is exactly ``text``."""
    if not storable(text) or column not in host.users.c:
        return []
    same = sa.cast(host.users.c[column], sa.Text) == text
    return _accounts(connection, host, [same], limit=2)


def _accounts(
    connection: sa.Connection,
    host: Host,
    where: Sequence[sa.ColumnElement[bool]],
    limit: int | None = None,
) -> list[Account]:
    users = host.users.c
    statement = sa.select(
        sa.cast(users.id, sa.Text),
        sa.cast(users.username, sa.Text),
        sa.cast(users.password_hash, sa.Text),
        sa.and_(*_is_active_admin(host)),
    ).where(*where, users.username.is_not(None))
    return [
        Account(user_id, username, hashed if is_bcrypt(hashed) else None, is_admin is True)
        for user_id, username, hashed, is_admin in connection.execute(statement.limit(limit))
    ]


def is_bcrypt(hashed: Any) -> bool:
    """Whether ``hashed`` has the shape of a bcrypt hash ($2a$, $2b$ or $2y$, 60 characters)."""
    return isinstance(hashed, str) and len(hashed) == 60 and hashed[:4] in {"$2a$", "$2b$", "$2y$"}  # noqa: PLR2004
