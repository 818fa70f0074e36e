"""Passwords of the hosts' users."""

from __future__ import annotations

from typing import TYPE_CHECKING

import argon2
import bcrypt
from passlib.hash import scrypt
from werkzeug.security import generate_password_hash

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.hosts import HostWriter


def password_hash(password: str) -> str:
    """A bcrypt hash, made as cheaply as bcrypt can."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


# One maker of each kind, as cheap as it can be; tests/unit/test_passwords.py has every kind.
BY_SCHEME: dict[str, Callable[[str], str]] = {
    "bcrypt": password_hash,
    "argon2": argon2.PasswordHasher(1, 16, 2).hash,
    "pbkdf2": lambda password: generate_password_hash(password, "pbkdf2:sha256:2"),
    "scrypt": scrypt.using(rounds=4).hash,
}


def set_password(host: HostWriter, name: str, password: str) -> None:
    """Let the user of that name have a password."""
    host.execute(
        "UPDATE users SET password_hash = %s WHERE username = %s", password_hash(password), name
    )
