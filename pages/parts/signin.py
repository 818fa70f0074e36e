"""The gate before every page, who is signed in, and the way out.

Signing in is the guard's business, in front of Streamlit: no script runs for anybody else. A page
asks all the same, so that none depends on it alone.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import session
from pages.parts.messages import shown_errors

if TYPE_CHECKING:
    from runmanager.records import Actor


@dataclass
class _Admitted:
    """Who the shell has asked the database about a moment ago, in this same script run."""

    actor: Actor | None = None


def require_admin() -> Actor:
    """The signed-in admin. Every page begins with this: it ends the script run for anybody else."""
    held = session.slot(_Admitted)
    admitted, held.actor = held.actor, None
    return admitted or _signed_in()


def require_sign_in() -> Actor:
    """The same for the shell, which draws before its page does."""
    held = session.slot(_Admitted)
    held.actor = None
    held.actor = _signed_in()
    return held.actor


def draw_sign_out(actor: Actor) -> None:
    """Who is signed in and the way out, at the end of the sidebar: two forms for the guard."""
    address = html.escape(session.address("/sign-out"))
    with st.sidebar.container(key="signed-in"):
        # A name is the host's text: never Markdown.
        st.text(f"signed in as {actor.username}")
    # Two forms: of a button's own address, formaction, st.html makes nothing.
    with st.sidebar.container(key="way-out"):
        st.html(
            '<div class="way-out">'
            f'<form method="post" action="{address}"><button type="submit" '
            'title="Sign out in this browser">Sign out</button></form>'
            f'<form method="post" action="{address}?everywhere=1"><button type="submit" '
            'title="End all of your sign-ins and API tokens, in every browser">Sign out everywhere'
            "</button></form></div>"
        )


def _signed_in() -> Actor:
    found = session.identity()
    if found is None:
        st.error("Sign in to use Run Manager.")
        st.stop()
    with shown_errors():
        session.service().finding.require_admin(found.actor)
    return found.actor
