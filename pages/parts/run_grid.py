"""The grid of runs: one page of rows with checkboxes, which the selection follows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from pages.parts import run_list, selection, session, styles, table, times
from pages.parts.run_link import run_urls
from runmanager.text import shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pages.parts.address import View
    from runmanager.filters import RunFilter
    from runmanager.records import RunPage, RunSummary

ROW_HEIGHT = 35
MAX_HEIGHT = 14 * ROW_HEIGHT + 3
MAX_TEXT = 300
NOTHING = "—"
_COLUMNS = ["select", "open", "tab", "thread_id", "name", "status", "time", "user", "workspace"]


@dataclass
class Grid:
    """The rows that the grid on the page was drawn from.

    They stay as they are for as long as the grid's key does: its edits are kept by position.
    """

    key: str
    view: View
    page: RunPage
    selected_at_first: frozenset[str]
    frame: pd.DataFrame


@dataclass
class _Held:
    grid: Grid | None = None
    grids: int = 0


def known_page(run_filter: RunFilter) -> RunPage | None:
    """The page that the grid shows, where it is one of this filter's list."""
    grid = session.slot(_Held).grid
    return grid.page if grid is not None and grid.view.run_filter == run_filter else None


def hold(view: View, page: RunPage) -> Grid:
    """Keep ``page`` as the rows that the grid is drawn from.

    The grid gets a new key, and so forgets its edits, only where rows or selection have changed.
    """
    held = session.slot(_Held)
    selected = frozenset(run.thread_id for run in page.items) & selection.chosen().keys()
    grid = held.grid
    is_same = grid is not None and grid.page.items == page.items and grid.view == view
    if grid is None or not is_same or _ticked(grid) != selected:
        held.grids += 1
        # Made once: a tick draws the same frame again, which the browser has already.
        grid = Grid(f"grid-{held.grids}", view, page, selected, _frame(page.items, selected))
        held.grid = grid
    else:
        grid.page = page
    run_list.was_read()
    return grid


def draw_grid(grid: Grid, open_run: Callable[[str], None]) -> None:
    """Draw the rows and put what is ticked into the session's selection.

    ``open_run`` is called with a thread_id when its Open button is clicked.
    """
    runs = grid.page.items
    statuses = styles.pill_colors((run.status, run.kind) for run in runs)

    st.data_editor(
        grid.frame,
        key=grid.key,
        hide_index=True,
        height=min(MAX_HEIGHT, (len(runs) + 1) * ROW_HEIGHT + 3),
        row_height=ROW_HEIGHT,
        num_rows="fixed",
        placeholder=NOTHING,
        alt="Runs",
        disabled=[one for one in _COLUMNS if one != "select"],
        on_change=_apply_edits,
        column_config={
            "select": st.column_config.CheckboxColumn("", width=36, pinned=True),
            "open": st.column_config.ButtonColumn(
                "Open",
                width=60,
                type="tertiary",
                key=f"{grid.key}-open",
                on_click=partial(_open_clicked, open_run),
            ),
            "tab": table.new_tab_config(),
            "thread_id": st.column_config.TextColumn("ID", width=84),
            "name": st.column_config.TextColumn("Name", width=236),
            "status": st.column_config.MultiselectColumn(
                "Status", width=108, options=list(statuses), color=list(statuses.values())
            ),
            "time": times.column("Time", [run.created_at for run in runs]),
            "user": st.column_config.TextColumn("User", width=92),
            "workspace": st.column_config.TextColumn("Workspace", width=130),
        },
    )


def select_page() -> None:
    """Add every run on this page to the selection."""
    grid = session.slot(_Held).grid
    if grid is not None:
        selection.add(grid.page.items)


def _apply_edits() -> None:
    grid = session.slot(_Held).grid
    if grid is not None:
        selection.follow_ticks(grid.page.items, _ticked(grid))


def _ticked(grid: Grid) -> frozenset[str]:
    """The ids on the grid's page that are ticked, by its base rows and the edits since."""
    ticked = {run.thread_id for run in grid.page.items} & grid.selected_at_first
    edits = session.value(grid.key) or {}
    for row, changes in dict(edits).get("edited_rows", {}).items():  # type: ignore[call-overload]
        thread_id = grid.page.items[int(row)].thread_id
        if "select" in changes:
            (ticked.add if changes["select"] else ticked.discard)(thread_id)
    return frozenset(ticked)


def _open_clicked(open_run: Callable[[str], None]) -> None:
    # A session keeps its callbacks for ever: one that held rows would keep every page ever shown.
    grid = session.slot(_Held).grid
    click = session.value(f"{grid.key}-open") if grid is not None else None
    if grid is not None and click is not None:
        open_run(grid.page.items[click["row"]].thread_id)  # type: ignore[index]  # no type for it


def _frame(runs: Sequence[RunSummary], selected: frozenset[str]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "select": [run.thread_id in selected for run in runs],
            "open": ["Open"] * len(runs),
            "tab": run_urls(run.thread_id for run in runs),
            "name": pd.Series([shorten(run.title, MAX_TEXT) for run in runs], dtype="str"),
            "status": [[styles.status_word(run.status)] for run in runs],
            "time": times.cells(run.created_at for run in runs),
            "user": pd.Series([_user(run) for run in runs], dtype="str"),
            "workspace": pd.Series([_workspace(run) for run in runs], dtype="str"),
            "thread_id": pd.Series([run.thread_id for run in runs], dtype="str"),
        },
        columns=_COLUMNS,
    )


def _user(run: RunSummary) -> str | None:
    name = run.username or run.user_id
    return shorten(name, MAX_TEXT) if name else None


def _workspace(run: RunSummary) -> str | None:
    name = run.workspace_name or run.workspace_id
    return shorten(name, MAX_TEXT) if name else None
