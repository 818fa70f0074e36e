"""How statuses and pages look: the few colours and the small stylesheet of our own."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import streamlit as st

from runmanager.records import StatusKind
from runmanager.text import shorten

if TYPE_CHECKING:
    from collections.abc import Iterable

NO_STATUS = "no status"
MAX_STATUS, MAX_LABEL = 40, 300
# Chosen to be told apart on both themes: the pill's text takes black or white by itself.
_COLORS = {
    StatusKind.RUNNING: "#3b82f6",
    StatusKind.COMPLETED: "#22a06b",
    StatusKind.FAILED: "#dc4c4c",
    StatusKind.PAUSED: "#d9a514",
    StatusKind.OTHER: "#8a93a3",
    StatusKind.UNKNOWN: "#8a93a3",
}
_STYLESHEET = """
<style>
.stMainBlockContainer { padding: 3rem 2rem 3rem; max-width: 1500px; }
/* With the sidebar folded, a bar lies over the top. */
.stApp:has([data-testid="stExpandSidebarButton"]) .stMainBlockContainer { padding-top: 4rem; }
[data-testid="stSidebarUserContent"] { padding-top: 0.5rem; }
.st-key-once, .st-key-form, .st-key-announced { height: 0; overflow: hidden; }
[data-testid="stLayoutWrapper"]:has(
  > .st-key-once, > .st-key-form, > .st-key-announced) { position: absolute; }
#run-manager-status { position: fixed; width: 1px; height: 1px; overflow: hidden;
  clip-path: inset(50%); white-space: nowrap; }
[data-testid="stText"] { font-family: inherit; }
.way-out { display: flex; gap: 0.25rem; margin: 0 -0.5rem; }
.way-out button { padding: 0.25rem 0.5rem; font: inherit; font-size: 0.875rem; color: inherit;
  background: transparent; border: 0; border-radius: 6px; opacity: 0.78; cursor: pointer; }
.way-out button:hover, .way-out button:focus-visible { opacity: 1;
  background: color-mix(in srgb, currentColor 9%, transparent); }
.st-key-heading [data-testid="stText"], .st-key-run-title [data-testid="stText"] {
  font-size: 1.45rem; font-weight: 650; line-height: 1.25; overflow-wrap: anywhere; }
.st-key-footer [data-testid="stText"], .st-key-signed-in [data-testid="stText"] {
  font-size: 0.9rem; opacity: 0.78; }
[class*="st-key-denied-"] [data-testid="stText"] {
  font-size: 0.9rem; opacity: 0.78; overflow-wrap: anywhere; white-space: pre-wrap; }
.st-key-facts [data-testid="stText"] { overflow-wrap: anywhere; white-space: pre-wrap; }
.st-key-facts [data-testid="stElementContainer"]:first-child [data-testid="stText"] {
  font-size: 0.875rem; opacity: 0.65; }
/* The parent's colour is that of the theme's text: it makes the word readable in both. */
.run-status { display: inline-block; padding: 0.1rem 0.5rem; border-radius: 0.4rem;
  font-size: 0.875rem; white-space: pre-wrap; overflow-wrap: anywhere;
  background: color-mix(in srgb, var(--status) 16%, transparent);
  color: color-mix(in srgb, var(--status) 65%, currentColor); }
/* A sheet over the headings of a table that has one page of more: a click would sort that page. */
[class*="st-key-grid-"] [data-testid="stDataFrame"], [class*="st-key-part-"]
  [data-testid="stDataFrame"] { position: relative; }
[class*="st-key-grid-"] [data-testid="stDataFrame"]::before, [class*="st-key-part-"]
  [data-testid="stDataFrame"]::before {
  content: ""; position: absolute; inset: 0 0 auto 0; height: 36px; z-index: 1; }
/* A fragment takes all the width there is: what follows would jump to the right. */
.st-key-heading > :has(.st-key-counting) { flex: 0 0 auto; width: auto; }
.st-key-counting [data-testid="stText"], .st-key-searched [data-testid="stText"] {
  font-size: 0.95rem; font-weight: 400; opacity: 0.8; }
.st-key-filtered-by [data-testid="stText"],
.st-key-not-counted [data-testid="stText"] { font-size: 1rem; font-weight: 400; opacity: 0.8; }
[data-testid="stHeaderActionElements"] { display: none; }
[role="dialog"] [data-testid="stElementToolbar"] { display: none; }
[data-testid="stElementToolbarButton"]:has([aria-label="Search: Runs"]) { display: none; }
/* Its cells would be formulas in a spreadsheet. Copying stays. */
[data-testid="stElementToolbarButton"]:has([aria-label^="Download as CSV"]) { display: none; }
.st-key-confirm_deletion button:not(:disabled),
.st-key-delete_selected button[kind="primary"]:not(:disabled) {
  background: #c93a3a; border-color: #c93a3a; color: #ffffff; }
.st-key-confirm_deletion button:not(:disabled):hover,
.st-key-delete_selected button[kind="primary"]:not(:disabled):hover {
  background: #ad2f2f; border-color: #ad2f2f; }
.st-key-way-out { margin-top: 1.2rem; }
</style>
"""


def apply() -> None:
    """Put the stylesheet on the page."""
    st.html(_STYLESHEET)


def status_word(status: str | None) -> str:
    """The host's own word for a status, short enough for a table, or "no status"."""
    return shorten(status or "", MAX_STATUS) or NO_STATUS


def pill_colors(statuses: Iterable[tuple[str | None, StatusKind]]) -> dict[str, str]:
    """A colour for each status word, from the statuses and their kinds."""
    return {status_word(status): _COLORS[kind] for status, kind in statuses}


def draw_status(status: str | None, kind: StatusKind) -> None:
    """Draw a status, a sentence even, as a small label of its colour.

    It is HTML of ours around the host's escaped word: st.badge would take the word for Markdown,
    and make a link of "https://…" and a picture of ":streamlit:".
    """
    word = html.escape(shorten(status or "", MAX_LABEL) or NO_STATUS)
    color = _COLORS[kind]
    st.html(f'<span class="run-status" style="--status: {color}">{word}</span>', width="content")
