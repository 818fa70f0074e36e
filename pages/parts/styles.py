"""How statuses and pages look: the few colours and the small stylesheet of our own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import streamlit as st

from pages.parts import session
from runmanager.records import StatusKind, status_kind

if TYPE_CHECKING:
    from collections.abc import Iterable

NO_STATUS = "no status"
# Chosen to be told apart on both themes: the pill's text takes black or white by itself.
_COLORS = {
    StatusKind.RUNNING: "#3b82f6",
    StatusKind.COMPLETED: "#22a06b",
    StatusKind.FAILED: "#dc4c4c",
    StatusKind.PAUSED: "#d9a514",
    StatusKind.OTHER: "#8a93a3",
}
BadgeColor = Literal["blue", "green", "red", "yellow", "gray"]
_BADGES: dict[StatusKind, BadgeColor] = {
    StatusKind.RUNNING: "blue",
    StatusKind.COMPLETED: "green",
    StatusKind.FAILED: "red",
    StatusKind.PAUSED: "yellow",
    StatusKind.OTHER: "gray",
}

_STYLESHEET = """
<style>
.stMainBlockContainer { padding: 3rem 2rem 3rem; max-width: 1500px; }
/* With the sidebar folded, a bar lies over the top. */
.stApp:has([data-testid="stExpandSidebarButton"]) .stMainBlockContainer { padding-top: 4rem; }
[data-testid="stSidebarUserContent"] { padding-top: 0.5rem; }
.st-key-cookie, .st-key-once, .st-key-form { height: 0; overflow: hidden; }
[data-testid="stLayoutWrapper"]:has(> .st-key-cookie, > .st-key-once, > .st-key-form) {
  position: absolute; }
[data-testid="stText"] { font-family: inherit; }
.st-key-sign-in { max-width: 25rem; margin: 6vh auto 0; }
.st-key-heading [data-testid="stText"], .st-key-run-title [data-testid="stText"] {
  font-size: 1.45rem; font-weight: 650; line-height: 1.25; overflow-wrap: anywhere; }
.st-key-footer [data-testid="stText"], .st-key-signed-in [data-testid="stText"] {
  font-size: 0.9rem; opacity: 0.78; }
.st-key-facts [data-testid="stText"] { overflow-wrap: anywhere; white-space: pre-wrap; }
.st-key-facts [data-testid="stCaptionContainer"] { margin-bottom: -0.35rem; }
.st-key-sign-in form h3, .st-key-sign-in [data-testid="stForm"] h3 { font-size: 1.2rem; }
/* A fragment takes all the width there is: what follows would jump to the right. */
.st-key-heading > :has(.st-key-counting) { flex: 0 0 auto; width: auto; }
.st-key-counting [data-testid="stText"], .st-key-searched [data-testid="stText"] {
  font-size: 0.95rem; font-weight: 400; opacity: 0.8; }
.st-key-filtered-by [data-testid="stText"] { font-size: 1rem; font-weight: 400; opacity: 0.8; }
[data-testid="stHeaderActionElements"] { display: none; }
[role="dialog"] [data-testid="stElementToolbar"] { display: none; }
[data-testid="stElementToolbarButton"]:has([aria-label="Search: Runs"]) { display: none; }
.st-key-confirm_deletion button:not(:disabled),
.st-key-delete_selected button[kind="primary"]:not(:disabled) {
  background: #c93a3a; border-color: #c93a3a; color: #ffffff; }
.st-key-confirm_deletion button:not(:disabled):hover,
.st-key-delete_selected button[kind="primary"]:not(:disabled):hover {
  background: #ad2f2f; border-color: #ad2f2f; }
.st-key-way-out { margin-top: 1.2rem; }
</style>
"""


# Streamlit starts with the sidebar open down to 768 px; below 900 the grid needs the room.
_FOLD_SIDEBAR = """
<script>
if (window.innerWidth < 900) {
  let tries = 0;
  const timer = setInterval(() => {
    const fold = document.querySelector('[data-testid="stSidebarCollapseButton"] button');
    if (fold) fold.click();
    if (fold || ++tries > 40) clearInterval(timer);
  }, 50);
}
</script>
"""


@dataclass
class _Sidebar:
    was_folded: bool = False


def apply() -> None:
    """Put the stylesheet on the page."""
    st.html(_STYLESHEET)


def fold_sidebar_where_narrow() -> None:
    """Close the sidebar on a narrow screen, once; the viewer opens it when they want."""
    held = session.slot(_Sidebar)
    if held.was_folded:
        return
    held.was_folded = True
    st.html(_FOLD_SIDEBAR, unsafe_allow_javascript=True)


def status_word(status: str | None) -> str:
    """The host's own word for a status, or "no status"."""
    word = " ".join((status or "").split())
    return word[:40] or NO_STATUS


def pill_colors(statuses: Iterable[str | None]) -> dict[str, str]:
    """A colour for each status word."""
    return {status_word(status): _COLORS[status_kind(status)] for status in statuses}


def badge_color(status: str | None) -> BadgeColor:
    """The colour of Streamlit's palette that stands for a status."""
    return _BADGES[status_kind(status)]


def badge_text(status: str | None) -> str:
    """A status word for a badge, whose label is Markdown: every punctuation mark escaped."""
    return plain_label(status_word(status))


def plain_label(label: str) -> str:
    """A short text of the host's for a place that renders Markdown: each mark means itself."""
    return "".join(f"\\{mark}" if mark in _PUNCTUATION else mark for mark in label)


# CommonMark lets every one of these be escaped, Streamlit's own directives (:red[…], $…$) included.
_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
