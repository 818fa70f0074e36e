"""What an admin has chosen for themselves, as small texts that the store keeps.

The page is as good without them: where they cannot be read or kept nobody is held up, and a choice
holds on this page all the same.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pages.parts import session
from runmanager.errors import DatabaseError, NotAdminError, StoreError

if TYPE_CHECKING:
    from runmanager.records import Actor

# The page's own questions meet these as well, and say so.
_PASSED_OVER = (StoreError, DatabaseError, NotAdminError)


def find(actor: Actor, name: str) -> str:
    """What the actor keeps under ``name``, "" for nothing."""
    with suppress(*_PASSED_OVER):
        return session.service().preferences.get(actor, name) or ""
    return ""


def keep(actor: Actor, name: str, text: str) -> None:
    """Keep ``text`` under ``name``, in place of what was there."""
    with suppress(*_PASSED_OVER):
        session.service().preferences.set(actor, name, text)
