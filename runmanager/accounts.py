"""Who may act, and whose a name is: asked of the host's database each time."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from runmanager.errors import NotAdminError
from runmanager.queries import accounts

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import sqlalchemy as sa

    from runmanager.host.values import Host
    from runmanager.records import Account, Actor

_USUAL_COST = "12"
# What follows a cost in a bcrypt hash: a salt and the hash of a random text that nobody has kept.
_NOBODYS_REST = "$C6UzMDM.H6dfI/f/IKcEeO7ZBqfPzn0Z8lOCSyGLzbmNbsqNUtAZu"


def require_admin(connection: sa.Connection, host: Host, actor: Actor) -> None:
    """Raises NotAdminError unless the actor is an active admin in this transaction's snapshot."""
    if not accounts.is_admin(connection, host, actor):
        raise NotAdminError


def named(connection: sa.Connection, host: Host, username: str) -> tuple[Account | None, str]:
    """The user who signs in as ``username``, and the hash that a password is checked against.

    A name is taken to the letter first, then as an admin's in any case and with blanks around it;
    where it fits two users, it is nobody's. For nobody there is a hash too, so that a name that
    nobody has takes as long as a wrong password: its cost is that of an admin's hash, always the
    same one for the same name. Both questions are asked whatever the first answers, for the same
    reason.
    """
    exact = accounts.with_text(connection, host, "username", username)
    admins = accounts.admins(connection, host)
    found = exact or [one for one in admins if _folded(one.username) == _folded(username)]
    account = found[0] if len(found) == 1 else None
    hashes = sorted(one.password_hash for one in admins if one.password_hash is not None)
    if account is None or account.password_hash is None:
        return account, _nobodys_hash(username, hashes)
    return account, account.password_hash


def _nobodys_hash(username: str, hashes: list[str]) -> str:
    if not hashes:
        return f"$2b${_USUAL_COST}{_NOBODYS_REST}"
    # Which hash cannot be told from outside: the key is made of what the host keeps secret.
    key = "".join(hashes).encode()
    digest = hmac.digest(key, _folded(username).encode(errors="surrogatepass"), hashlib.sha256)
    return hashes[int.from_bytes(digest[:4]) % len(hashes)][:6] + _NOBODYS_REST


def admin_by(connection: sa.Connection, host: Host, column: str, text: str) -> Account:
    """The active admin whose ``column`` (id, username or email) is ``text``.

    An id is taken to the letter, a name and an address in the letters' case too. Raises
    NotAdminError when there is none, or more than one.
    """
    found = (
        accounts.with_ids(connection, host, [text])
        if column == "id"
        else accounts.with_text(connection, host, column, text)
    )
    if len(found) != 1 or not found[0].is_admin:
        raise NotAdminError
    return found[0]


def standing(
    connection: sa.Connection, host: Host, user_ids: Collection[str]
) -> Mapping[str, Account]:
    """By id, those of these users who are active admins."""
    found = accounts.with_ids(connection, host, user_ids)
    return {one.user_id: one for one in found if one.is_admin}


def _folded(username: str) -> str:
    return username.strip().lower()
