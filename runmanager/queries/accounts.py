"""Who is who, and who is an admin, as the host's users table says at this moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.host.ids import has_id, storable
from runmanager.records import Account, Actor

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from runmanager.host.values import Host

# What PostgreSQL reads as true, with these blanks around it.
_TRUE_WORDS = ("t", "tr", "tru", "true", "y", "ye", "yes", "on", "1")
_BLANKS = " \t\n\v\f\r"


def _is_active_admin(host: Host) -> list[sa.ColumnElement[bool]]:
    users = host.users.c
    found = [_is_true(users.is_admin)]
    if "is_active" in users:
        found.append(_is_true(users.is_active))
    return found


def _is_true(column: sa.Column[Any]) -> sa.ColumnElement[bool]:
    """Whether a flag is set, be it a boolean, a number or a word; NULL gives nothing away.

    Of words those count that PostgreSQL takes for true. Any other gives nothing away either: a
    cast would fail for all because of one user's.
    """
    if isinstance(column.type, sa.Boolean):
        return column.is_(True)
    if isinstance(column.type, sa.BigInteger):
        return sa.func.coalesce(column, 0) != 0
    word = sa.func.lower(sa.func.btrim(sa.cast(column, sa.Text), _BLANKS))
    return sa.func.coalesce(word.in_(_TRUE_WORDS), sa.false())


def has_passwords(host: Host) -> bool:
    """Whether the host's users have password hashes at all."""
    return "password_hash" in host.users.c


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
        sa.cast(users.password_hash if has_passwords(host) else sa.null(), sa.Text),
        sa.and_(*_is_active_admin(host)),
    ).where(*where, users.username.is_not(None))
    return [
        Account(user_id, username, hashed, is_admin is True)
        for user_id, username, hashed, is_admin in connection.execute(statement.limit(limit))
    ]
