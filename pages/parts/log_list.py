"""A run's log on its page: levels, order, pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import paged, session, table
from pages.parts.messages import shown_errors

if TYPE_CHECKING:
    from collections.abc import Iterable

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

    paged.draw(f"log_page-{thread_id}", PAGE_SIZE, read, _draw_entries, nothing="No log lines.")


def _draw_entries(page: Page[LogEntry]) -> None:
    table.draw(
        page.items,
        [
            table.times("Time", lambda one: one.time, milliseconds=True),
            table.pills("Level", lambda one: one.level or table.NOTHING, _level_colors, width=100),
            table.words("Message", _message, width=760),
        ],
        most=MAX_ROWS_SHOWN,
    )
    st.caption(f"{page.first_row:,} to {page.last_row:,} of {page.total:,}")


def _level_colors(levels: Iterable[str]) -> dict[str, str]:
    return {one: _COLORS.get(one.strip().casefold(), _OTHER_COLOR) for one in sorted(levels)}


def _message(entry: LogEntry) -> str:
    message = entry.message.text if entry.message is not None else ""
    others = " · ".join(f"{name}={value.text}" for name, value in entry.others)
    return " · ".join(part for part in (message, others) if part)
