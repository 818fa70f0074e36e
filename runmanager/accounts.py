"""Who may act: an active admin, asked of the database each time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runmanager.errors import NotAdminError
from runmanager.queries import accounts

if TYPE_CHECKING:
    import sqlalchemy as sa

    from runmanager.host import Host
    from runmanager.records import Actor, Credential


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


def sign_in_credentials(connection: sa.Connection, host: Host) -> tuple[Credential, ...]:
    """The active admins who can sign in, without those whose names differ only in case."""
    by_name: dict[str, list[Credential]] = {}
    for credential in accounts.credentials(connection, host):
        by_name.setdefault(credential.username.strip().lower(), []).append(credential)
    return tuple(found[0] for found in by_name.values() if len(found) == 1)
