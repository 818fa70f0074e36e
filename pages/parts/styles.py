"""How statuses look: their signs and the few colours, in both themes."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from runmanager.text import shorten

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runmanager.records import StatusKind

NO_STATUS = "no status"
MAX_STATUS, MAX_LABEL = 40, 300


@dataclass(frozen=True)
class Look:
    """How one kind of status looks: its sign, its quiet tint under a word, its solid colour.

    Each is of the light theme and of the dark one. Tints are opaque, so that the contrast of the
    theme's text on them is known.
    """

    sign: str
    tints: tuple[str, str]
    colors: tuple[str, str]


# By filters.KINDS. Red is the loudest and green the quietest: most runs have completed.
LOOKS: Mapping[str, Look] = {
    "running": Look("●", ("#d8e6fd", "#17335f"), ("#3b82f6", "#3b82f6")),
    "completed": Look("✓", ("#e6f4eb", "#1a2e24"), ("#9ccdb0", "#3d6b52")),
    "failed": Look("✕", ("#fbd0d0", "#641f1f"), ("#d64545", "#d64545")),
    "paused": Look("‖", ("#fbeecb", "#4d3b08"), ("#d9a514", "#d9a514")),
    "other": Look("○", ("#e7eaef", "#2c3440"), ("#aeb4c0", "#7d8594")),
}
# The theme's text, which stands on the tints: textColor in .streamlit/config.toml.
TEXT_COLORS = ("#1b2430", "#e4e8ee")


def is_dark() -> bool:
    """Whether the viewer's browser shows the dark theme."""
    return st.context.theme.type == "dark"


def color(kind: str) -> str:
    """The solid colour of one of ``filters.KINDS``, in the viewer's theme."""
    return LOOKS[kind].colors[is_dark()]


def status_word(status: str | None, kind: StatusKind) -> str:
    """The sign of a status and the host's own word for it, short enough for a table."""
    return f"{LOOKS[kind.shown].sign} {shorten(status or '', MAX_STATUS) or NO_STATUS}"


def pill_colors(statuses: Iterable[tuple[str | None, StatusKind]]) -> dict[str, str]:
    """A tint for each status word, from the statuses and their kinds."""
    is_dark_now = is_dark()
    return {
        status_word(status, kind): LOOKS[kind.shown].tints[is_dark_now] for status, kind in statuses
    }


def draw_status(status: str | None, kind: StatusKind) -> None:
    """Draw a status, a sentence even, as a small label of its colour.

    It is HTML of ours around the host's escaped word: st.badge would take the word for Markdown,
    and make a link of "https://…" and a picture of ":streamlit:".
    """
    word = shorten(status or "", MAX_LABEL) or NO_STATUS
    draw_label(f"{LOOKS[kind.shown].sign} {word}", kind.shown)


def draw_label(words: str, look: str) -> None:
    """Draw words as a small label that looks as one of ``filters.KINDS`` does.

    It has the tints of both themes: a change of the theme does not run the page again.
    """
    light, dark = LOOKS[look].tints
    st.html(
        f'<span class="run-status" style="--tint: {light}; --dark-tint: {dark}">'
        f"{html.escape(words)}</span>",
        width="content",
    )
