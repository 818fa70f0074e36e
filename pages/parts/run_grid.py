"""The grid of runs: one page of rows with checkboxes, and the selection across pages."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from pages.parts import session, styles
from pages.parts.session import GridState
from runmanager.text import shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pages.parts.address import View
    from runmanager.records import RunPage, RunSummary

ROW_HEIGHT = 35
MAX_HEIGHT = 14 * ROW_HEIGHT + 3
MAX_TEXT = 300
NOTHING = "—"


def viewer_zone() -> ZoneInfo:
    """The viewer's time zone as their browser says, UTC where it does not."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")


def hold(view: View, page: RunPage) -> GridState:
    """Keep ``page`` as the rows that the grid is drawn from.

    The grid gets a new key, and so forgets its edits, only where rows or selection have changed.
    """
    held = session.state()
    selected = frozenset(run.thread_id for run in page.items) & held.selection.keys()
    old = held.grid
    is_same = old is not None and old.page.items == page.items and old.view == view
    if old is None or not is_same or session.checked_rows(old) != selected:
        held.grids += 1
        # Made once: a tick draws the same frame again, which the browser has already.
        held.grid = GridState(
            f"grid-{held.grids}", view, page, selected, _frame(page.items, selected)
        )
    else:
        old.page = page
    held.needs_reading = False
    assert held.grid is not None  # noqa: S101  set just above, or it was there
    return held.grid


def draw_grid(grid: GridState, open_run: Callable[[str], None]) -> None:
    """Draw the rows and put what is ticked into the session's selection.

    ``open_run`` is called with a thread_id when its Open button is clicked.
    """
    runs = grid.page.items
    statuses = styles.pill_colors(run.status for run in runs)

    st.data_editor(
        grid.frame,
        key=grid.key,
        hide_index=True,
        height=min(MAX_HEIGHT, (len(runs) + 1) * ROW_HEIGHT + 3),
        row_height=ROW_HEIGHT,
        num_rows="fixed",
        placeholder=NOTHING,
        alt="Runs",
        disabled=["open", "thread_id", "name", "status", "time", "user", "workspace"],
        on_change=apply_edits,
        column_config={
            "select": st.column_config.CheckboxColumn("", width=36, pinned=True),
            "open": st.column_config.ButtonColumn(
                "Open",
                width=60,
                type="tertiary",
                key=f"{grid.key}-open",
                on_click=partial(_open_clicked, open_run),
            ),
            "thread_id": st.column_config.TextColumn("ID", width=84),
            "name": st.column_config.TextColumn("Name", width=236),
            "status": st.column_config.MultiselectColumn(
                "Status", width=108, options=list(statuses), color=list(statuses.values())
            ),
            "time": st.column_config.DatetimeColumn(
                "Time", width=158, format="D MMM YYYY, HH:mm:ss", timezone=viewer_zone().key
            ),
            "user": st.column_config.TextColumn("User", width=92),
            "workspace": st.column_config.TextColumn("Workspace", width=130),
        },
    )


def apply_edits() -> None:
    """Bring the selection in line with the ticks on the grid's page."""
    held = session.state()
    if held.grid is None:
        return
    checked = session.checked_rows(held.grid)
    for run in held.grid.page.items:
        if run.thread_id in checked:
            held.selection.setdefault(run.thread_id, run)
        else:
            held.selection.pop(run.thread_id, None)


def select_page() -> None:
    """Add every run on this page to the selection."""
    held = session.state()
    if held.grid is not None:
        session.select([*held.selection.values(), *held.grid.page.items])


def clear_selection() -> None:
    """Select nothing, on any page."""
    session.select([])


def _open_clicked(open_run: Callable[[str], None]) -> None:
    # A session keeps its callbacks for ever: one that held rows would keep every page ever shown.
    grid = session.state().grid
    click = session.value(f"{grid.key}-open") if grid is not None else None
    if grid is not None and click is not None:
        open_run(grid.page.items[click["row"]].thread_id)  # type: ignore[index]  # no type for it


def _frame(runs: Sequence[RunSummary], selected: frozenset[str]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "select": [run.thread_id in selected for run in runs],
            "open": ["Open"] * len(runs),
            "name": pd.Series([shorten(run.title, MAX_TEXT) for run in runs], dtype="str"),
            "status": [[styles.status_word(run.status)] for run in runs],
            # Microseconds reach year 9999; the default nanoseconds end in 2262.
            "time": pd.Series([run.created_at for run in runs], dtype="datetime64[us, UTC]"),
            "user": pd.Series([_user(run) for run in runs], dtype="str"),
            "workspace": pd.Series([_workspace(run) for run in runs], dtype="str"),
            "thread_id": pd.Series([run.thread_id for run in runs], dtype="str"),
        },
        columns=["select", "open", "thread_id", "name", "status", "time", "user", "workspace"],
    )


def _user(run: RunSummary) -> str | None:
    name = run.username or run.user_id
    return shorten(name, MAX_TEXT) if name else None


def _workspace(run: RunSummary) -> str | None:
    name = run.workspace_name or run.workspace_id
    return shorten(name, MAX_TEXT) if name else None
