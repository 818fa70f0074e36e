"""The runs page: narrow runs down, look them over, select some, delete them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import address, filter_form, run_grid, session, text
from pages.parts.delete_dialog import ask_to_delete, draw_dialog
from pages.parts.messages import shown_errors
from pages.parts.operation import draw_operation
from pages.parts.signin import require_admin, top_line

if TYPE_CHECKING:
    from pages.parts.address import View
    from pages.parts.session import GridState
    from runmanager.paging import Page
    from runmanager.records import Actor, RunSummary


def draw(actor: Actor) -> None:
    """Draw the page for ``actor``."""
    held = session.state()
    view, names = filter_form.draw_filters(actor, address.read_view())
    with top_line(actor):
        st.markdown("### Run Manager")
    with st.container(gap=None):
        draw_operation(actor)
    held.needs_reading = True
    _draw_list(actor, view, names.get(view.run_filter.workspace or ""))


@st.fragment
def _draw_list(actor: Actor, view: View, workspace_name: str | None) -> None:
    """Heading, actions, grid and pager: a tick or a page change draws only these anew."""
    asked = address.read_view().request
    if asked != view.request:
        view = replace(view, request=asked, notices=())
    grid = session.state().grid
    # Always there: what comes and goes inside must not move what stands below.
    waiting = st.container(gap=None)
    if session.state().needs_reading or grid is None:
        with waiting, shown_errors(), st.skeleton(height=run_grid.MAX_HEIGHT):
            page = session.service().browse(actor, view.run_filter, view.request)
        grid = run_grid.hold(view, page)
    _draw_heading(view, grid.page, workspace_name)
    if grid.page.items:
        _draw_actions(grid)
        run_grid.draw_grid(grid, address.open_run)
        _draw_pager(grid.page)
    else:
        _draw_empty(view)
    draw_dialog(actor)


def _draw_heading(view: View, page: Page[RunSummary], workspace_name: str | None) -> None:
    notices = list(view.notices)
    if page.number != view.request.number:
        notices.append(f"There is no page {view.request.number:,}: showing the last.")
    with st.container(gap=None):
        if notices:
            st.info(" ".join(notices), icon=":material/info:")
    described = view.run_filter.describe(workspace_name)
    with st.container(key="heading", horizontal=True, vertical_alignment="center"):
        st.text(text.count(page.total, "run"))
        if described:
            # A username or search is the host's or the viewer's text: never Markdown.
            with st.container(key="filtered-by", width="content"):
                st.text(f"filtered by {described}")
            st.button(
                "Clear filters",
                key="clear_filters",
                on_click=_clear_filters,
                type="tertiary",
                icon=":material/close:",
            )
        st.button(
            "Refresh",
            key="refresh",
            on_click=_read_again,
            type="tertiary",
            icon=":material/refresh:",
            help="Read the runs again",
        )


def _draw_actions(grid: GridState) -> None:
    selected = session.state().selection
    elsewhere = len(selected.keys() - {run.thread_id for run in grid.page.items})
    with st.container(key="actions", horizontal=True, vertical_alignment="center"):
        st.button(
            f"Delete {len(selected):,} selected" if selected else "Delete selected",
            key="delete_selected",
            on_click=_ask_to_delete_selected,
            type="primary" if selected else "secondary",
            icon=":material/delete:",
            disabled=not selected or session.state().operation_id is not None,
        )
        if len(selected) == 1:
            # The grid's own button cannot be pressed from the keyboard.
            st.button(
                "Open",
                key="open_selected",
                on_click=address.open_run,
                args=(next(iter(selected)),),
                icon=":material/open_in_full:",
            )
        st.button("Select all on this page", key="select_page", on_click=run_grid.select_page)
        st.button(
            "Clear selection",
            key="clear_selection",
            on_click=run_grid.clear_selection,
            disabled=not selected,
            type="tertiary",
        )
        if elsewhere:
            st.caption(f"{elsewhere:,} of them on other pages")


def _draw_pager(page: Page[RunSummary]) -> None:
    with st.container(
        key="pager", horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        with st.container(key="footer", width="content"):
            st.text(f"{page.first_row:,}–{page.last_row:,} of {page.total:,}")  # noqa: RUF001
        if page.pages > 1:
            session.seed("page_number", page.number)
            st.pagination(page.pages, default=page.number, key="page_number", on_change=_turn_page)


def _draw_empty(view: View) -> None:
    with st.container(border=True, key="empty", horizontal_alignment="center"):
        if view.run_filter:
            st.markdown("**No runs match**", width="content")
            st.markdown("Look for less, or for all of them.", width="content")
            st.button("Clear the filters", key="clear_filters_empty", on_click=_clear_filters)
        else:
            st.markdown("**No runs yet**", width="content")
            st.markdown("They appear here as soon as the application writes them.", width="content")
            st.button("Look again", key="look_again", on_click=_read_again)


def _turn_page() -> None:
    number = session.value("page_number")
    view = address.read_view()
    if isinstance(number, int):
        address.write_view(replace(view, request=replace(view.request, number=number)))
    session.state().needs_reading = True


def _clear_filters() -> None:
    filter_form.clear_filters()
    # The sidebar stands outside of the list's fragment.
    st.rerun()


def _read_again() -> None:
    session.state().needs_reading = True


def _ask_to_delete_selected() -> None:
    ask_to_delete(tuple(session.state().selection))


page_actor = require_admin()
draw(page_actor)
