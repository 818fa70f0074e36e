"""Who acts, and how they sign in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Actor:
    """The admin who acts: who they said they are; the database is asked anew at each call."""

    user_id: str
    username: str


@dataclass(frozen=True)
class Credential:
    """An active admin's name and bcrypt hash, for the sign-in form."""

    username: str
    password_hash: str

    def __repr__(self) -> str:
        return f"Credential({self.username!r})"
