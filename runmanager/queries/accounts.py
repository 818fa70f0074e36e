"""Who is an admin, as the host's users table says at this moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.host.ids import has_id, storable
from runmanager.records import Actor, Credential

if TYPE_CHECKING:
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
        return column != 0  # PostgreSQL casts no bigint or smallint to boolean
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


def find_admins(connection: sa.Connection, host: Host, username: str) -> list[Actor]:
    """The active admins whose name is ``username`` in any case (the sign-in form lowers names)."""
    if not storable(username):
        return []
    users = host.users.c
    name = sa.cast(users.username, sa.Text)
    rows = connection.execute(
        sa.select(sa.cast(users.id, sa.Text), name).where(*_is_active_admin(host))
    )
    return [Actor(user_id, found) for user_id, found in rows if _folded(found) == _folded(username)]


def find_admin(
    connection: sa.Connection,
    host: Host,
    *,
    user_id: str | None = None,
    username: str | None = None,
) -> Actor | None:
    """The one active admin with exactly this id, or this name; None where there is none or two."""
    users = host.users.c
    where = _is_active_admin(host)
    if user_id is not None:
        where.append(has_id(users.id, [user_id]))
    if username is not None:
        if not storable(username):
            return None
        where.append(sa.cast(users.username, sa.Text) == username)
    rows = connection.execute(
        sa.select(sa.cast(users.id, sa.Text), sa.cast(users.username, sa.Text))
        .where(*where, users.username.is_not(None))
        .limit(2)
    ).all()
    return Actor(*rows[0]) if len(rows) == 1 else None


def password_hashes(connection: sa.Connection, host: Host, username: str) -> list[str]:
    """The bcrypt hashes of the users with exactly this name, whoever they are."""
    if not storable(username):
        return []
    users = host.users.c
    rows = connection.scalars(
        sa.select(sa.cast(users.password_hash, sa.Text)).where(
            sa.cast(users.username, sa.Text) == username
        )
    )
    return [hashed for hashed in rows if is_bcrypt(hashed)]


def credentials(connection: sa.Connection, host: Host) -> list[Credential]:
    """Names and bcrypt hashes of the active admins who can sign in."""
    users = host.users.c
    rows = connection.execute(
        sa.select(sa.cast(users.username, sa.Text), sa.cast(users.password_hash, sa.Text)).where(
            *_is_active_admin(host), users.username.is_not(None)
        )
    )
    return [Credential(name, hashed) for name, hashed in rows if is_bcrypt(hashed)]


def is_bcrypt(hashed: Any) -> bool:
    """Whether ``hashed`` has the shape of a bcrypt hash ($2a$, $2b$ or $2y$, 60 characters)."""
    return isinstance(hashed, str) and len(hashed) == 60 and hashed[:4] in {"$2a$", "$2b$", "$2y$"}  # noqa: PLR2004


def _folded(username: str | None) -> str:
    return (username or "").strip().lower()
