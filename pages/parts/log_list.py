"""A run's log on its page: levels, order, pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from pages.parts import session
from pages.parts.messages import shown_errors
from pages.parts.run_grid import viewer_zone
from runmanager.paging import PageRequest

if TYPE_CHECKING:
    from runmanager.paging import Page
    from runmanager.records import Actor, LogEntry

PAGE_SIZE = 100
MAX_ROWS_SHOWN = 12
NEWEST, OLDEST = "Newest first", "Oldest first"
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
    # Pages and choices are each run's own: another one may be opened in its place.
    page_key = f"log_page-{thread_id}"
    tables = session.service().reviewing.log_tables
    if not tables:
        return
    st.markdown("##### Log")
    table = tables[0]
    with st.container(horizontal=True, vertical_alignment="bottom", key="log-controls"):
        if len(tables) > 1:
            table = st.segmented_control(
                "Table", tables, default=tables[0], key=f"log_table-{thread_id}", required=True
            )
        with shown_errors():
            levels = session.service().reviewing.log_levels(actor, thread_id, table)
        chosen = st.multiselect(
            "Levels", levels, key=f"log_levels-{thread_id}", placeholder="All levels", width=360
        )
        order = st.segmented_control(
            "Order", [NEWEST, OLDEST], default=NEWEST, key="log_order", required=True
        )
    number = session.value(page_key)
    with shown_errors():
        page = session.service().reviewing.logs(
            actor,
            thread_id,
            table,
            PageRequest(number if isinstance(number, int) else 1, PAGE_SIZE),
            levels=chosen,
            newest_first=order == NEWEST,
        )
    if not page.items:
        st.caption("No log lines.")
        return
    _draw_entries(page)
    if page.pages > 1:
        session.seed(page_key, page.number)
        st.pagination(page.pages, key=page_key)


def _draw_entries(page: Page[LogEntry]) -> None:
    levels = sorted({entry.level or "—" for entry in page.items})
    st.dataframe(
        pd.DataFrame(
            {
                "Time": pd.Series([one.time for one in page.items], dtype="datetime64[us, UTC]"),
                "Level": [[one.level or "—"] for one in page.items],
                "Message": pd.Series([_message(one) for one in page.items], dtype="str"),
            }
        ),
        hide_index=True,
        height=min(MAX_ROWS_SHOWN, len(page.items) + 1) * 35 + 3,
        placeholder="—",
        column_config={
            "Time": st.column_config.DatetimeColumn(
                format="D MMM, HH:mm:ss.SSS", timezone=viewer_zone().key, width=150
            ),
            "Level": st.column_config.MultiselectColumn(
                options=levels,
                color=[_COLORS.get(level.strip().casefold(), "#8a93a3") for level in levels],
                width=100,
            ),
            "Message": st.column_config.TextColumn(width=760),
        },
    )
    st.caption(f"{page.first_row:,} to {page.last_row:,} of {page.total:,}")


def _message(entry: LogEntry) -> str:
    message = entry.message.text if entry.message is not None else ""
    others = " · ".join(f"{name}={value.text}" for name, value in entry.others)
    return " · ".join(part for part in (message, others) if part)
