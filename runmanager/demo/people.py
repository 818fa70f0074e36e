"""Who works with the sample's host, and where: its users, their passwords and its workspaces."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import bcrypt

if TYPE_CHECKING:
    import random

ADMIN_USERNAME = "ada"
ADMIN_PASSWORD = "demo-admin"  # noqa: S105  # printed on the demo's sign-in page
USER_USERNAME = "kate"
USER_PASSWORD = "demo-user"  # noqa: S105  # shows what someone who is no admin sees

_PASSWORDS = {"ada": ADMIN_PASSWORD, "grace": ADMIN_PASSWORD, "kate": USER_PASSWORD}
_ADMINS = ("ada", "grace")
_INACTIVE = ("dennis",)
_USERNAMES = (
    "kate", "linus", "margaret", "ada", "barbara", "guido",
    "grace", "radia", "edsger", "dennis", "josé", "美咲",
)  # fmt: skip
_WORKSPACES = (
    "Operations", "Finance", "Customer care", "Procurement",
    "Legal", "Logistics (EMEA)", "研究開発", "Sandbox",
)  # fmt: skip

_ROUNDS = "10"  # low: a demo's password protects nothing, and everybody waits for it
_BCRYPT_ALPHABET = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


@dataclass(frozen=True)
class User:
    """One row of `users`."""

    id: uuid.UUID
    username: str
    password_hash: str | None
    is_admin: bool
    is_active: bool


@dataclass(frozen=True)
class Workspace:
    """One row of `workspaces`."""

    id: uuid.UUID
    name: str


def make_users(rng: random.Random) -> list[User]:
    """Return the users, the busiest first. Those without a password sign in elsewhere."""
    return [
        User(
            id=random_uuid(rng),
            username=username,
            password_hash=_hash(rng, _PASSWORDS[username]) if username in _PASSWORDS else None,
            is_admin=username in _ADMINS,
            is_active=username not in _INACTIVE,
        )
        for username in _USERNAMES
    ]


def make_workspaces(rng: random.Random) -> list[Workspace]:
    """Return the workspaces, the busiest first."""
    return [Workspace(random_uuid(rng), name) for name in _WORKSPACES]


def random_uuid(rng: random.Random) -> uuid.UUID:
    """Return a version 4 UUID that depends on the generator alone."""
    return uuid.UUID(int=rng.getrandbits(128), version=4)


def _hash(rng: random.Random, password: str) -> str:
    # bcrypt.gensalt() would be different each time; a salt's last character has two bits only.
    salt = "".join(rng.choices(_BCRYPT_ALPHABET, k=21)) + rng.choice(".Oeu")
    return bcrypt.hashpw(password.encode(), f"$2b${_ROUNDS}${salt}".encode()).decode()
