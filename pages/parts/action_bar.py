"""The line below the grid: what is selected, what can be done with it, and the pages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import (
    address,
    operation,
    run_grid,
    run_list,
    selection,
    session,
    times,
)
from pages.parts.delete_dialog import ask_to_delete, ask_to_delete_matching
from pages.parts.hidden_runs import ask_to_list
from pages.parts.messages import draw_denied, shown_errors
from pages.parts.pager import draw_pager
from runmanager.errors import RunManagerError

if TYPE_CHECKING:
    from pages.parts.address import View
    from runmanager.paging import Total
    from runmanager.records import Actor, RunPage

MOST = 10_000


@dataclass
class _Unseen:
    """Which of the selected runs the list does not show, as it was when that was asked."""

    about: object = None
    ids: frozenset[str] = frozenset()


def draw_bar(actor: Actor, view: View, page: RunPage) -> None:
    """Draw the line; what the list hides of the selection is asked for last."""
    selected = selection.count()
    with st.container(
        key="bar", horizontal=True, wrap=False, vertical_alignment="center", gap="xsmall"
    ):
        if selected:
            with st.container(key="selected", width="content"):
                st.text(f"{selection.count_in_words()} selected{_as_of(view)}")
        denied = session.service().deleting.denied
        if denied is None:
            _draw_delete(selected)
        else:
            draw_denied("deletion", denied)
        if len(selection.chosen()) == 1:
            # The grid's own name cannot be pressed from the keyboard.
            st.button(
                "Open",
                key="open_selected",
                on_click=address.open_run,
                args=(next(iter(selection.chosen())),),
                icon=":material/open_in_full:",
            )
        more = st.container(key="more", horizontal=True, width="content", gap="xsmall")
        if selected:
            st.button("Clear", key="clear_selection", on_click=selection.clear, type="tertiary")
        unseen = st.container(key="unseen", horizontal=True, width="content", gap="xsmall")
        draw_pager(page)
    if selection.chosen():
        with unseen:
            _draw_unseen(actor, view)
    if denied is None and selection.matching() is None:
        with more:
            _draw_select_more(actor, view, page)


def _as_of(view: View) -> str:
    frozen, matching = selection.frozen_at(), selection.matching()
    if frozen is None:
        return ""
    is_another = matching is not None and matching.asked != view.run_filter
    other = ", of another filter" if is_another else ""
    return f", as of {frozen.astimezone(times.viewer_zone()):%H:%M:%S}{other}"


def _draw_delete(selected: int) -> None:
    st.button(
        f"Delete {selection.count_in_words()}" if selected else "Delete",
        key="delete_selected",
        on_click=_ask_to_delete_selected,
        type="primary" if selected else "secondary",
        icon=":material/delete:",
        disabled=not selected or operation.is_working(),
    )


def _draw_select_more(actor: Actor, view: View, page: RunPage) -> None:
    """Offer the rest of the page, then the rest of the list."""
    here, chosen = [run.thread_id for run in page.items], selection.chosen()
    if not here:
        return
    if not all(one in chosen for one in here):
        st.button(
            f"Select all {len(here):,} on this page" if len(here) > 1 else "Select it",
            key="select_page",
            on_click=run_grid.select_page,
            type="tertiary",
        )
        return
    total = page.known_total
    is_whole_list = total.is_exact and page.resume is None
    unseen = session.slot(_Unseen)
    listed = selection.count() - len(unseen.ids.intersection(chosen))
    is_known = unseen.about == (view.run_filter, run_list.readings())
    if is_whole_list and is_known and total.count <= listed:
        return
    if selection.count() == len(here) > 1:
        with st.container(key="page-selected", width="content"):
            st.text(f"All {len(here):,} on this page are selected ·")
    st.button(
        f"Select all {total.count:,} that match" if is_whole_list else "Select all that match",
        key="select_all",
        on_click=_select_all,
        args=(actor, view, total),
        type="tertiary",
        help="As they are at this moment: what comes later is not among them",
    )


def _select_all(actor: Actor, view: View, total: Total) -> None:
    """Select all that match: as ids while they are few, which can be looked at one by one."""
    is_few = not total.is_exact or total.count <= MOST
    frozen = None
    if is_few:
        with shown_errors():
            frozen = session.service().finding.freeze(actor, view.run_filter)
    if frozen is not None and frozen.is_complete:
        selection.freeze(frozen.thread_ids)
    else:
        selection.select_matching(view.run_filter, total)
    held = session.slot(_Unseen)
    held.about, held.ids = (view.run_filter, run_list.readings()), frozenset()


def _draw_unseen(actor: Actor, view: View) -> None:
    """Say how many of the selected runs are not in the list.

    What is ticked in a list is in it: only another filter, or another reading, hides some.
    """
    held, about = session.slot(_Unseen), (view.run_filter, run_list.readings())
    chosen, shown = selection.chosen(), set(run_grid.shown_ids())
    elsewhere = tuple(one for one in chosen if one not in shown)
    if held.about != about:
        try:
            held.ids = _hidden(actor, view, elsewhere)
        except RunManagerError:
            st.text("could not look which of them are in this list")
            return
        held.about = about
    hidden = tuple(one for one in elsewhere if one in held.ids)
    if hidden:
        st.button(
            f"{len(hidden):,} not in this list",
            key="list_hidden",
            type="tertiary",
            icon=":material/visibility_off:",
            on_click=ask_to_list,
            args=(hidden,),
            help="Selected under another filter, or changed since. Click to see which they are",
        )
    elif elsewhere:
        st.text(f"{len(elsewhere):,} on other pages")


def _hidden(actor: Actor, view: View, thread_ids: tuple[str, ...]) -> frozenset[str]:
    ask = partial(session.service().triage.hidden, actor, view.run_filter)
    # What was ticked comes on top of what was selected at once: so many are asked for at a time.
    parts = (thread_ids[at : at + MOST] for at in range(0, len(thread_ids), MOST))
    return frozenset(thread_id for part in parts for thread_id in ask(part))


def _ask_to_delete_selected() -> None:
    matching = selection.matching()
    if matching is None:
        ask_to_delete(tuple(selection.chosen()))
    else:
        ask_to_delete_matching(matching, selection.excepted())
