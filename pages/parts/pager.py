"""Under the grid: which rows these are, the way to other pages, and on with a search."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import address, filtering, run_list, session, text, times
from runmanager.paging import PageRequest

if TYPE_CHECKING:
    from runmanager.records import RunPage


def draw_pager(page: RunPage) -> None:
    """Draw the position, and the ways to other pages."""
    with st.container(
        key="pager", horizontal=True, wrap=False, width="content", vertical_alignment="center"
    ):
        # Of an empty one what stands in the grid's place says so, and offers to search on.
        if page.items:
            _draw_ways(page)


def _draw_ways(page: RunPage) -> None:
    with st.container(key="footer", width="content"):
        st.text(position(page))
    if page.resume is not None or page.is_whole_id:
        _draw_search_on(page)
    elif page.known_total.is_exact and not page.from_end:
        if page.pages > 1:
            session.seed("page_number", page.number)
            st.pagination(
                page.pages,
                default=page.number,
                key="page_number",
                on_change=_turn_page,
                max_visible_pages=5,
            )
    elif page.has_next or page.has_previous:
        _draw_steps(page)


def draw_nothing_found_yet(page: RunPage) -> None:
    """Draw what stands in the grid's place while a search has found nothing."""
    with st.container(border=True, key="nothing-yet", horizontal_alignment="center"):
        st.markdown("**Nothing found yet**", width="content")
        with st.container(horizontal=True, horizontal_alignment="center", key="nothing-yet-on"):
            _draw_search_on(page)


def position(page: RunPage) -> str:
    """Such as "1–50 of 12,408", "the last 50 of about 2.6 M" or "1–3 so far"."""  # noqa: RUF002
    if page.from_end and page.number == 1:
        return f"the last {len(page.items):,} of {text.total(page.known_total)}"
    if page.is_whole_id:
        return "1 run"
    rows = f"{page.first_row:,}"
    if page.last_row > page.first_row:
        rows += f"–{page.last_row:,}"  # noqa: RUF001
    if page.from_end:
        return f"{rows} from the end of {text.total(page.known_total)}"
    return (
        f"{rows} so far" if page.resume is not None else f"{rows} of {text.total(page.known_total)}"
    )


def _draw_steps(page: RunPage) -> None:
    """Four steps, where nobody knows how many pages there are."""
    size = page.size
    with st.container(key="steps", horizontal=True, width="content", gap="small"):
        _draw_step("First", "first_page", PageRequest(1, size), enabled=page.has_previous)
        _draw_step("Previous", "chevron_left", page.request.turned(-1), enabled=page.has_previous)
        _draw_step("Next", "chevron_right", page.request.turned(1), enabled=page.has_next)
        _draw_step("Last", "last_page", PageRequest(1, size, from_end=True), enabled=page.has_next)


def _draw_step(label: str, icon: str, request: PageRequest, *, enabled: bool) -> None:
    st.button(
        label,
        key=f"{label.lower()}_page",
        on_click=filtering.go_to,
        args=(request,),
        icon=f":material/{icon}:",
        type="tertiary",
        disabled=not enabled,
    )


def _draw_search_on(page: RunPage) -> None:
    is_searching = run_list.is_searching()
    back = "among those without a time"
    if page.searched_to is not None:
        back = f"back to {times.moment(page.searched_to, times.viewer_zone())}"
    with st.container(
        key="searched", horizontal=True, width="content", vertical_alignment="center"
    ):
        if page.is_whole_id and not is_searching:
            st.text("Has exactly this id · not all names searched")
        else:
            st.text(f"{'Searching …' if is_searching else 'Searched'} {back}")
        if is_searching:
            st.button(
                "Stop",
                key="stop_searching",
                on_click=_stop_searching,
                icon=":material/stop:",
            )
        else:
            st.button(
                "Search on",
                key="search_on",
                on_click=_search_on,
                icon=":material/history:",
                type="primary",
            )


# How many there are so far stands above the list: it is drawn anew when the search is over.


def _search_on() -> None:
    run_list.search_on()
    filtering.redraw(filtering.LIST, filtering.HEAD)


def _stop_searching() -> None:
    run_list.stop_searching()
    filtering.redraw(filtering.LIST, filtering.HEAD)


def _turn_page() -> None:
    number = session.value("page_number")
    if isinstance(number, int):
        filtering.go_to(PageRequest(number, address.read_view().request.size))
