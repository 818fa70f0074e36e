"""Who may act, and whose a name is: asked of the host's database each time."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from runmanager import passwords
from runmanager.errors import NotAdminError
from runmanager.queries import accounts

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import sqlalchemy as sa

    from runmanager.host.values import Host
    from runmanager.records import Account, Actor


def require_admin(connection: sa.Connection, host: Host, actor: Actor) -> None:
    """Raises NotAdminError unless the actor is an active admin in this transaction's snapshot."""
    if not accounts.is_admin(connection, host, actor):
        raise NotAdminError


def named(connection: sa.Connection, host: Host, username: str) -> tuple[Account | None, str]:
    """The user who signs in as ``username``, and the hash that a password is checked against.

    A name is taken to the letter first, then as an admin's in any case and with blanks around it;
    where it fits two users, it is nobody's. For nobody there is a hash too, so that a name that
    nobody has takes as long as a wrong password: it costs what an admin's hash costs, by the same
    scheme, and always that of the same one for the same name. Both questions are asked whatever the
    first answers, for the same reason.
    """
    exact = accounts.with_text(connection, host, "username", username)
    admins = accounts.admins(connection, host)
    found = exact or [one for one in admins if _folded(one.username) == _folded(username)]
    account = found[0] if len(found) == 1 else None
    hashes = sorted(hashed for one in admins if (hashed := _known_hash(one)) is not None)
    known_hash = None if account is None else _known_hash(account)
    return account, known_hash or _nobodys_hash(username, hashes)


def has_password(account: Account) -> bool:
    """Whether the account's hash names a scheme that passwords are checked by."""
    return _known_hash(account) is not None


def has_passwords(host: Host) -> bool:
    """Whether the host's users have password hashes at all."""
    return accounts.has_passwords(host)


def unknown_hashes(connection: sa.Connection, host: Host) -> tuple[int, int]:
    """How many active admins have a hash that no password can be checked by, and of how many."""
    admins = accounts.admins(connection, host)
    unknown = [one for one in admins if one.password_hash and not has_password(one)]
    return len(unknown), len(admins)


def _known_hash(account: Account) -> str | None:
    return account.password_hash if passwords.is_known(account.password_hash) else None


def _nobodys_hash(username: str, hashes: list[str]) -> str:
    if not hashes:
        return passwords.nobodys(None)
    # Which hash cannot be told from outside: the key is made of what the host keeps secret.
    key = "".join(hashes).encode()
    digest = hmac.digest(key, _folded(username).encode(errors="surrogatepass"), hashlib.sha256)
    return passwords.nobodys(hashes[int.from_bytes(digest[:4]) % len(hashes)])


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
