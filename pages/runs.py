"""The runs page: narrow runs down, look them over, select some, delete them.

Its parts are fragments: what is asked for anew draws only what depends on it, the list first.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.parts import (
    action_bar,
    address,
    chips,
    choices,
    columns,
    delete_dialog,
    filter_form,
    filtering,
    found_in_errors,
    hidden_runs,
    histogram,
    kind_pills,
    later,
    list_order,
    matching,
    operation,
    run_grid,
    run_list,
    run_total,
    session,
    sort_menu,
)
from pages.parts.filter_form import current_view
from pages.parts.messages import shown_errors
from pages.parts.pager import draw_nothing_found_yet
from pages.parts.signin import require_admin

if TYPE_CHECKING:
    from pages.parts.address import View
    from runmanager.records import Actor, RunPage

SENDING_SECONDS = 0.1
# Before the stylesheet, which makes it as high as the window.
PAGE_HEIGHT = 700


def draw(actor: Actor) -> None:
    """Draw the page for ``actor``."""
    choices.forget()
    run_list.read_anew()
    with st.container(key="page", height=PAGE_HEIGHT, border=False):
        with st.container(key="heading", horizontal=True, wrap=False, gap="xsmall"):
            with st.container(key="told", horizontal=True, vertical_alignment="center"):
                left = st.container(key="found", horizontal=True, width="content")
                errors = st.container(key="errors", width="content")
            right = st.container(key="controls", horizontal=True, width="content", gap=None)
        notices = st.container(key="notices", gap=None)
        with st.container(key="operation", gap=None):
            operation.draw_operation(actor)
        is_folded = histogram.is_folded(actor)
        over_time = st.container(key="folded" if is_folded else "histogram", gap=None)
        # The stylesheet keeps the chart's place above it until there is one.
        rows = st.container(key="rows" if is_folded else "rows-below", height="stretch", gap=None)
    # The places stand in the order of the page, and are filled in the order of what matters.
    with rows:
        _draw_list(actor)
    _draw_head(actor, left, notices)
    with right:
        _draw_controls(actor)
    kinds = filter_form.draw_form(actor)
    with over_time:
        _draw_histogram(actor)
    with kinds:
        _draw_kinds(actor)
    with errors:
        _draw_errors(actor)


@st.fragment(key=filtering.LIST)
def _draw_list(actor: Actor) -> None:
    """Grid, actions and pager."""
    view, _offered = current_view(actor)
    with st.container(key="waiting", gap=None):
        page = _read(actor, view)
    grid = run_grid.hold(view, page, columns.shown(actor, view), matching.ticked(actor, view, page))
    if page.items:
        with st.container(key="gridbox", height="stretch", gap=None):
            run_grid.draw_grid(grid, address.open_run)
    else:
        # Beside the grid's place, not in it: what stands there would keep some of the grid.
        st.empty()
        if page.resume is not None:
            draw_nothing_found_yet(page)
        else:
            _draw_empty(view)
    with st.bottom:
        action_bar.draw_bar(actor, view, page)
    delete_dialog.draw_dialog(actor)
    hidden_runs.draw_dialog(actor)
    later.list_was_drawn()
    if run_list.is_searching():
        # Half a second at a time, so that what is found is seen and Stop is heard. A rerun throws
        # away what has not been sent to the browser yet.
        time.sleep(SENDING_SECONDS)
        st.rerun(scope="fragment")


@st.fragment(key=filtering.HEAD)
def _draw_head(actor: Actor, left: Any, notices: Any) -> None:
    """How many runs, and of which filter."""
    view, offered = current_view(actor)
    page = run_grid.known_page(view.run_filter, list_order.shown(view))
    # One element in the place outside: what comes and goes keeps its place inside it.
    with left, st.container(key="head", horizontal=True, width="content", gap="xsmall"):
        if page is not None:
            run_total.draw_total(actor, view.run_filter, page)
        chips.draw_chips(view.run_filter, offered.labels(view.run_filter))
    said = [*view.notices, *_said_of(view, page)]
    with notices:
        # A part may only fill what it has written to when the whole page was drawn.
        place = st.empty()
        if said:
            place.info(" ".join(said), icon=":material/info:")


@st.fragment(key=filtering.CONTROLS)
def _draw_controls(actor: Actor) -> None:
    """Which columns, in which order, and the chart; what no filter changes."""
    view, _offered = current_view(actor)
    columns.draw_menu(actor, view, _redraw_list)
    sort_menu.draw_menu(replace(view, sort=list_order.shown(view)))
    histogram.draw_fold(actor)
    st.button(
        "Refresh",
        key="refresh",
        on_click=_read_again,
        type="tertiary",
        icon=":material/refresh:",
        help="Read the runs again",
    )


@st.fragment(key=filtering.HISTOGRAM)
def _draw_histogram(actor: Actor) -> None:
    # Folded away it is a part of the page all the same, which each filter draws anew.
    if not histogram.is_folded(actor):
        histogram.draw_histogram(actor, current_view(actor)[0])


@st.fragment(key=filtering.KINDS)
def _draw_kinds(actor: Actor) -> None:
    kind_pills.draw_kinds(actor, current_view(actor)[0])


@st.fragment(key=filtering.ERRORS)
def _draw_errors(actor: Actor) -> None:
    found_in_errors.draw_offer(actor, current_view(actor)[0])


def _read(actor: Actor, view: View) -> RunPage:
    """The page to show: the one that is known, that one searched on, or one from the database."""
    known = run_grid.known_page(view.run_filter, list_order.shown(view))
    if known is not None and not run_list.needs_reading():
        # An element here too, as the skeleton below is one: what follows keeps its place.
        st.empty()
        if not run_list.is_searching() or not (known.resume is not None or known.is_whole_id):
            run_list.stop_searching()
            return run_total.with_exact_total(view.run_filter, known)
        with shown_errors():
            page = session.service().finding.search_on(actor, view.run_filter, known)
        if page.resume is None:
            run_list.stop_searching()
        return page
    with shown_errors(), st.skeleton(height=run_grid.ROW_HEIGHT * 20):
        page = list_order.browse(actor, view, known)
    return run_total.with_exact_total(view.run_filter, page)


def _said_of(view: View, page: RunPage | None) -> list[str]:
    """Where the list is not quite what the address asks for."""
    said = []
    refusal = list_order.refusal(view)
    if refusal is not None:
        said.append(refusal)
    if page is None:
        return said
    is_last = page.from_end or (page.known_total.is_exact and page.number == page.pages)
    if is_last and page.request != view.request and not view.request.from_end:
        said.append(f"There is no page {view.request.number:,}: showing the last.")
    return said


def _draw_empty(view: View) -> None:
    with st.container(border=True, key="empty", horizontal_alignment="center"):
        if view.run_filter:
            st.markdown("**No runs match**", width="content")
            st.markdown("Take one of the filters above away, or all of them.", width="content")
            st.button("Clear the filters", key="clear_filters_empty", on_click=filtering.clear_all)
        else:
            st.markdown("**No runs yet**", width="content")
            st.markdown("They appear here as soon as the application writes them.", width="content")
            st.button("Look again", key="look_again", on_click=_read_again)


def _read_again() -> None:
    run_list.read_again()
    run_total.forget()
    filtering.show_anew(*filtering.ALL_OF_IT, operation.BAR)


def _redraw_list() -> None:
    filtering.redraw(filtering.LIST)


page_actor = require_admin()
draw(page_actor)
