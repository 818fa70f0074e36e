"""The grid of runs: one page of rows with checkboxes, which the selection follows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from pages.parts import run_list, selection, session, styles, table, text, times
from pages.parts.run_link import run_urls
from runmanager.records import StatusKind
from runmanager.text import shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pages.parts.address import View
    from runmanager.filters import RunFilter
    from runmanager.records import RunPage, RunSummary
    from runmanager.sorting import Sort

ROW_HEIGHT = 28
MAX_TEXT = 300
NOTHING = ""
SELECT = "select"


@dataclass
class Grid:
    """The rows that the grid on the page was drawn from.

    They stay as they are for as long as the grid's key does: its edits are kept by position.
    ``columns`` are words of ``columns.py``.
    """

    key: str
    view: View
    page: RunPage
    columns: tuple[str, ...]
    selected_at_first: frozenset[str]
    frame: pd.DataFrame


@dataclass
class _Held:
    grid: Grid | None = None
    grids: int = 0


def known_page(run_filter: RunFilter, sort: Sort) -> RunPage | None:
    """The page that the grid shows, where it is one of this filter's list in this order."""
    grid = session.slot(_Held).grid
    if grid is None or grid.view.run_filter != run_filter or grid.page.sort != sort:
        return None
    return grid.page


def shown_ids() -> tuple[str, ...]:
    """The ids of the runs on the page."""
    grid = session.slot(_Held).grid
    return () if grid is None else tuple(run.thread_id for run in grid.page.items)


def hold(view: View, page: RunPage, columns: tuple[str, ...], selected: frozenset[str]) -> Grid:
    """Keep ``page`` as the rows that the grid is drawn from, of which ``selected`` are ticked.

    The grid gets a new key, and so forgets its edits, only where rows, columns or selection have
    changed.
    """
    held = session.slot(_Held)
    grid = held.grid
    is_same = (
        grid is not None
        and grid.page.items == page.items
        and grid.view == view
        and grid.columns == columns
    )
    if grid is None or not is_same or _ticked(grid) != selected:
        held.grids += 1
        # Made once: a tick draws the same frame again, which the browser has already.
        frame = _frame(page.items, columns, selected)
        grid = Grid(f"grid-{held.grids}", view, page, columns, selected, frame)
        held.grid = grid
    else:
        grid.page = page
    run_list.was_read()
    return grid


def draw_grid(grid: Grid, open_run: Callable[[str], None]) -> None:
    """Draw the rows and put what is ticked into the session's selection.

    ``open_run`` is called with a thread_id when a run's name is clicked.
    """
    configure = _configurations(grid, open_run)
    st.data_editor(
        grid.frame,
        key=grid.key,
        hide_index=True,
        height="stretch",
        row_height=ROW_HEIGHT,
        num_rows="fixed",
        placeholder=NOTHING,
        alt="Runs",
        disabled=[one for one in grid.frame.columns if one != SELECT],
        on_change=_apply_edits,
        column_config={one: configure[one]() for one in grid.frame.columns},
    )


def _configurations(grid: Grid, open_run: Callable[[str], None]) -> dict[str, Callable[[], Any]]:
    """How each column is drawn. The first ones stay where they are when the others scroll."""
    runs, config = grid.page.items, st.column_config
    statuses = styles.pill_colors((run.status, run.kind) for run in runs)
    return {
        SELECT: lambda: config.CheckboxColumn("", width=34, pinned=True),
        "status": lambda: config.MultiselectColumn(
            "Status", width=112, options=list(statuses), color=list(statuses.values()), pinned=True
        ),
        "id": lambda: config.TextColumn("ID", width=72),
        "name": lambda: config.ButtonColumn(
            "Name",
            width=200,
            type="tertiary",
            alignment="left",
            key=f"{grid.key}-open",
            on_click=partial(_open_clicked, open_run),
        ),
        "tab": lambda: table.new_tab_config(width=34),
        "age": lambda: config.TextColumn("Age", width=58, alignment="right"),
        "started": lambda: times.short_column("Started", [run.created_at for run in runs]),
        "took": lambda: config.TextColumn("Took", width=84, alignment="right"),
        "error": lambda: config.TextColumn("Error", width=230),
        "user": lambda: config.TextColumn("User", width=78),
        "workspace": lambda: config.TextColumn("Workspace", width=112),
        "size": lambda: config.TextColumn("Size", width=76, alignment="right"),
    }


def select_page() -> None:
    """Add every run on this page to the selection."""
    selection.add(shown_ids())


def _apply_edits() -> None:
    grid = session.slot(_Held).grid
    if grid is not None and not selection.follow_ticks(shown_ids(), _ticked(grid)):
        st.toast(
            "All that match a filter are selected, and no other run beside them. Clear the "
            "selection to tick others.",
            icon=":material/info:",
        )


def _ticked(grid: Grid) -> frozenset[str]:
    """The ids on the grid's page that are ticked, by its base rows and the edits since."""
    ticked = {run.thread_id for run in grid.page.items} & grid.selected_at_first
    edits = session.value(grid.key) or {}
    for row, changes in dict(edits).get("edited_rows", {}).items():  # type: ignore[call-overload]
        thread_id = grid.page.items[int(row)].thread_id
        if SELECT in changes:
            (ticked.add if changes[SELECT] else ticked.discard)(thread_id)
    return frozenset(ticked)


def _open_clicked(open_run: Callable[[str], None]) -> None:
    # A session keeps its callbacks for ever: one that held rows would keep every page ever shown.
    grid = session.slot(_Held).grid
    click = session.value(f"{grid.key}-open") if grid is not None else None
    if grid is not None and click is not None:
        open_run(grid.page.items[click["row"]].thread_id)  # type: ignore[index]  # no type for it


def _frame(
    runs: Sequence[RunSummary], columns: Sequence[str], selected: frozenset[str]
) -> pd.DataFrame:
    now = datetime.now(UTC)
    cells: dict[str, Callable[[], Any]] = {
        "status": lambda: [[styles.status_word(run.status, run.kind)] for run in runs],
        "id": lambda: _texts(run.thread_id for run in runs),
        "name": lambda: [shorten(run.title, MAX_TEXT) for run in runs],
        "tab": lambda: run_urls(run.thread_id for run in runs),
        "age": lambda: _texts(times.age(run.created_at, now) for run in runs),
        "started": lambda: times.cells(run.created_at for run in runs),
        "took": lambda: _texts(took(run, now) for run in runs),
        "error": lambda: _texts(run.error for run in runs),
        "user": lambda: _texts(_short(run.user) for run in runs),
        "workspace": lambda: _texts(_short(run.workspace) for run in runs),
        "size": lambda: _texts(_size(run) for run in runs),
    }
    shown = list(columns)
    if any(run.stored_bytes is not None for run in runs):
        # What the list is sorted by is seen without scrolling.
        shown.insert(shown.index("error") if "error" in shown else len(shown), "size")
    ticks = {SELECT: pd.Series([run.thread_id in selected for run in runs], dtype="bool")}
    return pd.DataFrame(ticks | {one: cells[one]() for one in shown})


def took(run: RunSummary, now: datetime) -> str | None:
    """How long a run took, or has taken by now where it is still running; None where none knows."""
    end = run.completed_at or (now if run.kind is StatusKind.RUNNING else None)
    if run.created_at is None or end is None:
        return None
    return text.duration(max(0.0, (end - run.created_at).total_seconds()))


def _texts(texts: Any) -> pd.Series[Any]:
    return pd.Series(list(texts), dtype="str")


def _short(name: str | None) -> str | None:
    return shorten(name, MAX_TEXT) if name else None


def _size(run: RunSummary) -> str | None:
    return None if run.stored_bytes is None else text.size(run.stored_bytes)
