"""A run's log on its page: levels, order, pages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import paged, session, table, text
from pages.parts.long_text import BOX_HEIGHT, MAX_UNFOLDED
from pages.parts.messages import draw_denied, shown_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runmanager.paging import Page, PageRequest
    from runmanager.records import Actor, LogEntry

PAGE_SIZE = 100
MAX_ROWS_SHOWN = 12
NEWEST, OLDEST = "Newest first", "Oldest first"
_OTHER_COLOR = "#8a93a3"
_COLORS = {
    "debug": "#8a93a3",
    "info": "#3b82f6",
    "warning": "#d9a514",
    "warn": "#d9a514",
    "error": "#dc4c4c",
    "critical": "#dc4c4c",
    "fatal": "#dc4c4c",
}


@dataclass
class _Opened:
    """The run, the log table and the key of the line that is read whole."""

    line: tuple[str, str, str] | None = None


@st.fragment
def draw_logs(actor: Actor, thread_id: str) -> None:
    """Draw the log of one run; nothing where the host keeps none."""
    tables = session.service().reviewing.log_tables
    if not tables:
        return
    st.markdown("##### Log")
    log = tables[0]
    with st.container(horizontal=True, vertical_alignment="bottom", key="log-controls"):
        # Pages and choices are each run's own: another one may be opened in its place.
        if len(tables) > 1:
            log = st.segmented_control(
                "Table", tables, default=tables[0], key=f"log_table-{thread_id}", required=True
            )
        denied = session.service().reviewing.unreadable.get(log)
        if denied is not None:
            draw_denied("log", denied)
            return
        with shown_errors():
            levels = session.service().reviewing.log_levels(actor, thread_id, log)
        chosen = st.multiselect(
            "Levels", levels, key=f"log_levels-{thread_id}", placeholder="All levels", width=360
        )
        order = st.segmented_control(
            "Order", [NEWEST, OLDEST], default=NEWEST, key="log_order", required=True
        )

    def read(request: PageRequest) -> Page[LogEntry]:
        return session.service().reviewing.logs(
            actor, thread_id, log, request, levels=chosen, newest_first=order == NEWEST
        )

    def draw_entries(page: Page[LogEntry]) -> None:
        _draw_entries(page, f"log-{thread_id}-{log}", partial(_open, thread_id, log))

    paged.draw(f"log_page-{thread_id}", PAGE_SIZE, read, draw_entries, nothing="No log lines.")
    opened = session.slot(_Opened).line
    if opened is not None and opened[:2] == (thread_id, log):
        _draw_line(actor, *opened)


def _open(thread_id: str, log: str, key: str | None) -> None:
    session.slot(_Opened).line = None if key is None else (thread_id, log, key)


def _draw_line(actor: Actor, thread_id: str, log: str, key: str) -> None:
    """Draw one line, nothing of it left out."""
    with st.container(border=True, key="log-line"):
        with shown_errors():
            entry = session.service().reviewing.log_line(actor, thread_id, log, key)
        for name, value in (("message", entry.message), *entry.others):
            if value is not None and value.length:
                st.text(f"{name} · {text.count(value.length, 'character')}")
                st.code(value.text, language=None, wrap_lines=True, height=_fitting(value.length))


def _fitting(length: int) -> int | None:
    return BOX_HEIGHT if length > MAX_UNFOLDED else None


def _draw_entries(page: Page[LogEntry], key: str, choose: Callable[[str | None], None]) -> None:
    opened = session.slot(_Opened).line
    st.caption("Tick a line to read it whole.")
    table.draw_choice(
        page.items,
        [
            table.times("Time", lambda one: one.time, milliseconds=True),
            table.pills("Level", _level, _level_colors, width=100),
            table.words("Message", _message, width=760),
        ],
        key=key,
        most=MAX_ROWS_SHOWN,
        id_of=lambda one: one.key,
        chosen=None if opened is None else opened[2],
        choose=choose,
    )
    st.caption(f"{page.first_row:,} to {page.last_row:,} of {page.total:,}")


def _level(entry: LogEntry) -> str:
    return entry.level or table.NOTHING


def _level_colors(entries: Iterable[LogEntry]) -> dict[str, str]:
    levels = sorted({_level(entry) for entry in entries})
    return {one: _COLORS.get(one.strip().casefold(), _OTHER_COLOR) for one in levels}


def _message(entry: LogEntry) -> str:
    message = entry.message.text if entry.message is not None else ""
    others = " · ".join(f"{name}={value.text}" for name, value in entry.others)
    return " · ".join(part for part in (message, others) if part)
