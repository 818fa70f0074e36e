"""The runs page: narrow runs down, look them over, select some, delete them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import (
    address,
    choices,
    filter_form,
    operation,
    run_grid,
    run_list,
    run_total,
    selection,
    session,
)
from pages.parts.delete_dialog import ask_to_delete, draw_dialog
from pages.parts.filter_form import current_view
from pages.parts.messages import draw_denied, shown_errors
from pages.parts.pager import draw_nothing_found_yet, draw_pager
from pages.parts.signin import require_admin, top_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pages.parts.address import View
    from pages.parts.run_grid import Grid
    from runmanager.records import Actor, RunPage

SENDING_SECONDS = 0.1


def draw(actor: Actor) -> None:
    """Draw the page for ``actor``."""
    choices.forget()
    run_list.read_anew()
    with st.container(key="form"):
        filter_form.draw_filters(actor)
    with top_line(actor):
        st.markdown("### Run Manager")
    with st.container(gap=None):
        operation.draw_operation(actor)
    _draw_list(actor)


@st.fragment(key=filter_form.LIST)
def _draw_list(actor: Actor) -> None:
    """Heading, actions, grid and pager: what is asked for anew draws only these."""
    view, offered = current_view(actor)
    # Always there: what comes and goes inside must not move what stands below.
    waiting = st.container(gap=None)
    with waiting:
        grid = run_grid.hold(view, _read(actor, view))
    _draw_heading(actor, view, grid.page, offered.labels(view.run_filter))
    if grid.page.items:
        _draw_actions(grid)
        run_grid.draw_grid(grid, address.open_run)
        draw_pager(grid.page)
    elif grid.page.resume is not None:
        draw_nothing_found_yet(grid.page)
    else:
        _draw_empty(view)
    draw_dialog(actor)
    if run_list.is_searching():
        # Half a second at a time, so that what is found is seen and Stop is heard. A rerun throws
        # away what has not been sent to the browser yet.
        time.sleep(SENDING_SECONDS)
        st.rerun(scope="fragment")


def _read(actor: Actor, view: View) -> RunPage:
    """The page to show: the one that is known, that one searched on, or one from the database."""
    known = run_grid.known_page(view.run_filter)
    if known is not None and not run_list.needs_reading():
        # An element here too, as the skeleton below is one: what follows keeps its place.
        st.empty()
        if not run_list.is_searching() or known.resume is None:
            run_list.stop_searching()
            return run_total.with_exact_total(view.run_filter, known)
        with shown_errors():
            page = session.service().finding.search_on(actor, view.run_filter, known)
        if page.resume is None:
            run_list.stop_searching()
        return page
    with shown_errors(), st.skeleton(height=run_grid.MAX_HEIGHT):
        page = session.service().finding.browse(actor, view.run_filter, view.request, known)
    return run_total.with_exact_total(view.run_filter, page)


def _draw_heading(actor: Actor, view: View, page: RunPage, labels: Mapping[str, str]) -> None:
    notices = list(view.notices)
    is_last = page.from_end or (page.known_total.is_exact and page.number == page.pages)
    if is_last and page.request != view.request and not view.request.from_end:
        notices.append(f"There is no page {view.request.number:,}: showing the last.")
    with st.container(gap=None):
        if notices:
            st.info(" ".join(notices), icon=":material/info:")
    described = view.run_filter.describe(labels)
    with st.container(key="heading", horizontal=True, vertical_alignment="center"):
        run_total.draw_total(actor, view.run_filter, page)
        if described:
            # A username or search is the host's or the viewer's text: never Markdown.
            with st.container(key="filtered-by", width="content"):
                st.text(f"filtered by {described}")
            st.button(
                "Clear filters",
                key="clear_filters",
                on_click=filter_form.clear_filters,
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


def _draw_actions(grid: Grid) -> None:
    selected = selection.chosen()
    elsewhere = len(selected.keys() - {run.thread_id for run in grid.page.items})
    denied = session.service().deleting.denied
    with st.container(key="actions", horizontal=True, vertical_alignment="center"):
        if denied is None:
            st.button(
                f"Delete {len(selected):,} selected" if selected else "Delete selected",
                key="delete_selected",
                on_click=_ask_to_delete_selected,
                type="primary" if selected else "secondary",
                icon=":material/delete:",
                disabled=not selected or operation.is_working(),
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
        if denied is None:
            st.button("Select all on this page", key="select_page", on_click=run_grid.select_page)
        st.button(
            "Clear selection",
            key="clear_selection",
            on_click=selection.clear,
            disabled=not selected,
            type="tertiary",
        )
        if elsewhere:
            st.caption(f"{elsewhere:,} of them on other pages")
    with st.container(gap=None):
        if denied is not None:
            draw_denied("deletion", denied)


def _draw_empty(view: View) -> None:
    with st.container(border=True, key="empty", horizontal_alignment="center"):
        if view.run_filter:
            st.markdown("**No runs match**", width="content")
            st.markdown("Look for less, or for all of them.", width="content")
            st.button(
                "Clear the filters", key="clear_filters_empty", on_click=filter_form.clear_filters
            )
        else:
            st.markdown("**No runs yet**", width="content")
            st.markdown("They appear here as soon as the application writes them.", width="content")
            st.button("Look again", key="look_again", on_click=_read_again)


def _read_again() -> None:
    run_list.read_again()
    run_total.forget()


def _ask_to_delete_selected() -> None:
    ask_to_delete(selection.chosen())


page_actor = require_admin()
draw(page_actor)
