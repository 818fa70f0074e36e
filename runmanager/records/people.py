"""Who acts, and how they sign in."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Actor:
    """The admin who acts: who they said they are; the database is asked anew at each call."""

    user_id: str
    username: str


@dataclass(frozen=True)
class Account:
    """What the host's database says of one user at this moment.

    ``password_hash`` is what the column holds, whatever it is: passwords.py says whether somebody
    can sign in by that. It is None where there is nothing, or no such column.
    """

    user_id: str
    username: str
    password_hash: str | None = field(repr=False)
    is_admin: bool

    @property
    def actor(self) -> Actor:
        """The user as one who acts."""
        return Actor(self.user_id, self.username)


@dataclass(frozen=True)
class Ticket:
    """What a cookie or a token of ours carries: a session of the store, whose, and which password.

    ``fingerprint`` is a keyed hash of the user's password hash: a new password ends the session.
    """

    session_id: str = field(repr=False)
    user_id: str
    fingerprint: str = field(repr=False)


@dataclass(frozen=True)
class SignedIn:
    """A sign-in that has just succeeded. ``expires_at`` is in seconds since 1970."""

    actor: Actor
    ticket: Ticket
    expires_at: float
