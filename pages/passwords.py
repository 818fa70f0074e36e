"""Whether a password is the one that was hashed, by the scheme that its hash names.

bcrypt is decided by streamlit-authenticator. Only its hasher is used. Its form, its cookie and its
widgets are not: docs/security.md says why. Every other scheme is runmanager/passwords.py's.
"""

from __future__ import annotations

import logging

from runmanager import passwords

# Importing it draws, which Streamlit warns of outside a page.
logging.disable(logging.WARNING)
from streamlit_authenticator.utilities.hasher import Hasher  # noqa: E402

logging.disable(logging.NOTSET)

# What bcrypt looks at. Hosts before bcrypt 5 stored longer passwords by these alone; since then it
# refuses more.
MAX_BYTES = 72


class _Password(str):
    """A password of whose bytes the first 72 count, also where they end inside a character."""

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        """Those bytes."""
        return super().encode(encoding, errors)[:MAX_BYTES]


def is_password(password: str, hashed: str) -> bool:
    """Whether ``password`` fits the hash ``hashed``."""
    try:
        found = passwords.read(hashed)
        if isinstance(found, passwords.Bcrypt):
            typed = _Password(found.hashed_text(password))
            return bool(Hasher.check_pw(typed, found.hashed))
        return found is not None and found.fits(password)
    except ValueError:
        # Half of a character, or a zero: no host could have stored it.
        return False
