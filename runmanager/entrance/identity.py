"""Who is signed in, as the guard tells the dashboard and as the dashboard reads it.

Streamlit hands over what ``server.trustedUserHeaders`` names, and lets a browser resume a session
only where all of it is the same. The guard takes these headers from every request and sets them
itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from runmanager.records import Actor, Ticket

if TYPE_CHECKING:
    from collections.abc import Mapping

USER_ID, USERNAME, SESSION, FINGERPRINT = "user_id", "username", "session", "fingerprint"
# As in .streamlit/config.toml.
HEADERS = {
    "x-run-manager-user-id": USER_ID,
    "x-run-manager-username": USERNAME,
    "x-run-manager-session": SESSION,
    "x-run-manager-fingerprint": FINGERPRINT,
}


@dataclass(frozen=True)
class Identity:
    """The admin who is signed in, and the ticket that says so."""

    actor: Actor
    ticket: Ticket = field(repr=False)

    def fields(self) -> dict[str, str]:
        """What Streamlit is told, as ``st.user`` has it; in ASCII, as headers must be."""
        values = {
            USER_ID: self.actor.user_id,
            USERNAME: self.actor.username,
            SESSION: self.ticket.session_id,
            FINGERPRINT: self.ticket.fingerprint,
        }
        return {name: quote(value, safe="") for name, value in values.items()}

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers that carry it."""
        told = self.fields()
        return [(name.encode(), told[key].encode()) for name, key in HEADERS.items()]


def read_identity(user: Mapping[str, Any]) -> Identity | None:
    """The identity that ``st.user`` holds; None where it holds none or half of one."""
    values = [user.get(name) for name in HEADERS.values()]
    texts = [unquote(value) for value in values if isinstance(value, str) and value]
    if len(texts) != len(HEADERS):
        return None
    user_id, username, session_id, fingerprint = texts
    return Identity(Actor(user_id, username), Ticket(session_id, user_id, fingerprint))
