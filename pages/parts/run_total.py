"""How many runs there are: as far as it is known at once, and exactly where that is asked for."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import session, text
from pages.parts.messages import shown_errors
from runmanager.errors import CountNotFoundError
from runmanager.paging import Exactness
from runmanager.records import CountState

if TYPE_CHECKING:
    from runmanager.filters import RunFilter
    from runmanager.records import Actor, RunPage

POLL_SECONDS = 0.5


@dataclass
class _Count:
    """A count that is under way, and of which filter; and the last one: its filter with the total,
    or why it failed.
    """

    count_id: str | None = None
    of: RunFilter | None = None
    exact: tuple[RunFilter, int] | None = None
    failed: tuple[RunFilter, str] | None = None


def forget() -> None:
    """Drop the exact total: there may be fewer runs by now, or more."""
    session.slot(_Count).exact = None


def with_exact_total(run_filter: RunFilter, page: RunPage) -> RunPage:
    """``page`` with the exact total, where all runs of the filter were counted on request."""
    exact = session.slot(_Count).exact
    if exact is None or exact[0] != run_filter or page.known_total.is_exact:
        return page
    return replace(page, total=exact[1], exactness=Exactness.EXACT)


def draw_total(actor: Actor, run_filter: RunFilter, page: RunPage) -> None:
    """Say how many runs there are, and offer to count them where that is not known."""
    _leave_others(actor, run_filter)
    with st.container(key="total", width="content"):
        if page.resume is not None:
            st.text(text.count(page.total, "run") + ("" if page.is_whole_id else " so far"))
        else:
            one = page.total == 1 and page.known_total.is_exact
            st.text(f"{text.total(page.known_total)} {'run' if one else 'runs'}")
    if page.resume is None and not page.known_total.is_exact:
        with st.container(key="counted", horizontal=True, width="content"):
            _draw_count(actor, run_filter)


def _draw_count(actor: Actor, run_filter: RunFilter) -> None:
    """Draw the count that is under way, or the offer of one."""
    held = session.slot(_Count)
    if held.count_id is not None:
        _watch_count(actor, run_filter)
        return
    if held.failed is not None and held.failed[0] == run_filter:
        with st.container(key="not-counted", width="content"):
            st.text(f"Not counted. {held.failed[1]}")
    st.button(
        "Count exactly",
        key="count_exactly",
        on_click=_start,
        args=(actor, run_filter),
        type="tertiary",
        icon=":material/tag:",
        help="Count every run of this list: up to a minute, and it can be stopped",
    )


def _leave_others(actor: Actor, run_filter: RunFilter) -> None:
    """Drop what was counted, or is being counted, for another list: on the way back it is old."""
    held = session.slot(_Count)
    if held.exact is not None and held.exact[0] != run_filter:
        held.exact = None
    if held.count_id is not None and held.of != run_filter:
        with shown_errors(), suppress(CountNotFoundError):
            session.service().finding.stop_count(actor, held.count_id)
        held.count_id = None


@st.fragment(run_every=POLL_SECONDS)
def _watch_count(actor: Actor, run_filter: RunFilter) -> None:
    held = session.slot(_Count)
    if held.count_id is None:
        return
    with shown_errors():
        try:
            count = session.service().finding.count(actor, held.count_id)
        except CountNotFoundError:
            held.count_id = None
            raise
    if count.state is CountState.RUNNING:
        with st.container(key="counting", horizontal=True, vertical_alignment="center"):
            st.text("counting …")
            st.button(
                "Stop counting",
                key="stop_count",
                on_click=_stop,
                args=(actor, held.count_id),
                type="tertiary",
                icon=":material/stop:",
            )
        return
    held.count_id = None
    if count.state is CountState.FINISHED and count.total is not None:
        held.exact = (run_filter, count.total)
    if count.state is CountState.FAILED:
        held.failed = (run_filter, count.message)
    # The pages are numbered by it.
    st.rerun()


def _start(actor: Actor, run_filter: RunFilter) -> None:
    with shown_errors():
        count = session.service().finding.start_count(actor, run_filter)
    held = session.slot(_Count)
    held.count_id, held.of, held.failed = count.count_id, run_filter, None


def _stop(actor: Actor, count_id: str) -> None:
    with shown_errors():
        session.service().finding.stop_count(actor, count_id)
