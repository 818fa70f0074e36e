"""Passwords of the hosts' users."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bcrypt

if TYPE_CHECKING:
    from tests.hosts import HostWriter


def password_hash(password: str) -> str:
    """A bcrypt hash, made as cheaply as bcrypt can."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


def set_password(host: HostWriter, name: str, password: str) -> None:
    """Let the user of that name have a password."""
    host.execute(
        "UPDATE users SET password_hash = %s WHERE username = %s", password_hash(password), name
    )
