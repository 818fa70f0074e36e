"""Who may act: an active admin, asked of the database each time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bcrypt

from runmanager.errors import NotAdminError, WrongPasswordError
from runmanager.queries import accounts

if TYPE_CHECKING:
    import sqlalchemy as sa

    from runmanager.host.values import Host
    from runmanager.records import Actor, Credential

# bcrypt's hash of a random text, at the cost that hosts use by default.
_NOBODYS_HASH = "$2b$12$C6UzMDM.H6dfI/f/IKcEeO7ZBqfPzn0Z8lOCSyGLzbmNbsqNUtAZu"


def require_admin(connection: sa.Connection, host: Host, actor: Actor) -> None:
    """Raises NotAdminError unless the actor is an active admin in this transaction's snapshot."""
    if not accounts.is_admin(connection, host, actor):
        raise NotAdminError


def actor_for(connection: sa.Connection, host: Host, username: str) -> Actor:
    """The active admin who signed in as ``username``, whatever its case.

    Raises NotAdminError when there is none, or when two admins' names differ only in case: the
    sign-in form cannot tell them apart, so neither is let in.
    """
    found = accounts.find_admins(connection, host, username)
    if len(found) != 1:
        raise NotAdminError
    return found[0]


def actor_by(connection: sa.Connection, host: Host, name: str, *, is_username: bool) -> Actor:
    """The active admin whom a token names, by id or by username, to the letter.

    Raises NotAdminError when there is none, or more than one.
    """
    found = (
        accounts.find_admin(connection, host, username=name)
        if is_username
        else accounts.find_admin(connection, host, user_id=name)
    )
    if found is None:
        raise NotAdminError
    return found


def password_hash(connection: sa.Connection, host: Host, username: str) -> str | None:
    """The bcrypt hash of the one user with this name; None where there is none or more."""
    hashes = accounts.password_hashes(connection, host, username)
    return hashes[0] if len(hashes) == 1 else None


def check_password(known_hash: str | None, password: str) -> None:
    """Raises WrongPasswordError unless ``password`` is the one that was hashed.

    It takes as long where there is no hash, for a name that nobody has.
    """
    hashed = known_hash or _NOBODYS_HASH
    try:
        matches = bcrypt.checkpw(password.encode(), hashed.encode())
    except ValueError:
        # Longer than bcrypt's 72 bytes, or not text at all: no host could have stored it.
        matches = False
    if not matches or known_hash is None:
        raise WrongPasswordError


def sign_in_credentials(connection: sa.Connection, host: Host) -> tuple[Credential, ...]:
    """The active admins who can sign in, without those whose names differ only in case."""
    by_name: dict[str, list[Credential]] = {}
    for credential in accounts.credentials(connection, host):
        by_name.setdefault(credential.username.strip().lower(), []).append(credential)
    return tuple(found[0] for found in by_name.values() if len(found) == 1)
