"""Preferences: what an admin has chosen for themselves, wherever they sign in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runmanager.errors import InvalidRequestError
from runmanager.host.ids import storable
from runmanager.store import preferences

if TYPE_CHECKING:
    from runmanager.records import Actor
    from runmanager.service.access import Access
    from runmanager.store import Store

MAX_NAME = 50
MAX_TEXT = 2000


@dataclass(frozen=True)
class Preferences:
    """The small texts of whoever asks; nobody reads or changes another's.

    Both methods raise StoreError where the store does not answer. A page is as good without what
    was chosen: whoever calls decides what to do then.
    """

    _access: Access
    _store: Store

    def get(self, actor: Actor, name: str) -> str | None:
        """What the actor keeps under ``name``, None for nothing."""
        _require(name, MAX_NAME, "name")
        self._access.require_admin(actor)
        with self._store.read() as connection:
            return preferences.find(connection, actor.user_id, name)

    def set(self, actor: Actor, name: str, text: str) -> None:
        """Keep ``text`` under ``name``, in place of what was there."""
        _require(name, MAX_NAME, "name")
        _require(text, MAX_TEXT, "text")
        self._access.require_admin(actor)
        with self._store.write() as connection:
            preferences.keep(connection, actor.user_id, name, text)


def _require(text: str, longest: int, what: str) -> None:
    """Raises InvalidRequestError for what a store of either kind would not give back as it was."""
    if len(text) > longest:
        raise InvalidRequestError(
            f"A preference's {what} is longer than {longest:,} characters: shorten it."
        )
    if not storable(text):
        raise InvalidRequestError(
            f"A preference's {what} holds a NUL or half a character: leave that out."
        )
