"""Whether a password is the one that was hashed, as streamlit-authenticator decides it.

Only its hasher is used. Its form, its cookie and its widgets are not: docs/security.md says why.
"""

from __future__ import annotations

import logging

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
    """Whether ``password`` fits the bcrypt hash ``hashed``."""
    try:
        return bool(Hasher.check_pw(_Password(password), hashed))
    except ValueError:
        # No hash at all, or half of a character: no host could have stored it.
        return False
