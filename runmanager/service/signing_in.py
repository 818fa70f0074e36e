"""Signing in: the only calls without an actor, because they are what makes one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runmanager import accounts

if TYPE_CHECKING:
    from runmanager.records import Actor, Credential
    from runmanager.service.access import Access


@dataclass(frozen=True)
class SigningIn:
    """Who is who, and whether they are an active admin."""

    _access: Access

    def credentials(self) -> tuple[Credential, ...]:
        """The active admins who can sign in, for the sign-in form to check against."""
        return self._access.read_accounts(accounts.sign_in_credentials)

    def actor_for(self, username: str) -> Actor:
        """The active admin of that name, in any case. Raises NotAdminError when there is none."""
        return self._access.read_accounts(
            lambda connection, host: accounts.actor_for(connection, host, username)
        )

    def actor_of_token(self, name: str, *, is_username: bool) -> Actor:
        """The active admin whom a token names, by id or by username. Raises NotAdminError."""
        return self._access.read_accounts(
            lambda connection, host: accounts.actor_by(
                connection, host, name, is_username=is_username
            )
        )

    def sign_in(self, username: str, password: str) -> Actor:
        """The active admin with this name and password.

        Raises WrongPasswordError where they do not belong together, and NotAdminError where they
        do and the user is no active admin.
        """
        known_hash = self._access.read_accounts(
            lambda connection, host: accounts.password_hash(connection, host, username)
        )
        # A third of a second on purpose: no connection waits for it.
        accounts.check_password(known_hash, password)
        return self.actor_of_token(username, is_username=True)
