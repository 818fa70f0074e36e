"""The selected runs that the list does not show, as a list of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import selection, session, table, text
from pages.parts.messages import shown_errors
from runmanager.text import shorten

if TYPE_CHECKING:
    from runmanager.records import Actor, RunSummary

SHOWN = 1_000
LINES = 12


@dataclass
class _Asked:
    """The ids to list; none while nobody asks."""

    thread_ids: tuple[str, ...] = ()
    runs: tuple[RunSummary, ...] | None = None


def ask_to_list(thread_ids: tuple[str, ...]) -> None:
    """Open the list of these runs. It is drawn when the script runs next."""
    held = session.slot(_Asked)
    held.thread_ids, held.runs = thread_ids, None


def draw_dialog(actor: Actor) -> None:
    """Draw the list where it was asked for."""
    if session.slot(_Asked).thread_ids:
        _dialog(actor)


def _dismissed() -> None:
    session.slot(_Asked).thread_ids = ()


@st.dialog("Selected, but not in this list", width="medium", on_dismiss=_dismissed)
def _dialog(actor: Actor) -> None:
    held = session.slot(_Asked)
    if not held.thread_ids:
        st.rerun()
    if held.runs is None:
        with shown_errors():
            held.runs = session.service().triage.summaries(actor, held.thread_ids[:SHOWN])
    with st.container(key="confirmation"):
        st.text(_said(len(held.thread_ids), len(held.runs)))
        table.draw(
            held.runs,
            [
                table.statuses("Status", lambda run: (run.status, run.kind), width=112),
                table.words("Run", lambda run: shorten(run.title, 200), width=260),
                table.times("Started", lambda run: run.created_at),
                table.words("User", lambda run: run.user, width=100),
                table.words("ID", lambda run: run.thread_id, width=120),
            ],
            row_height=table.SMALL_ROW,
            most=LINES,
        )
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Keep them selected", key="keep_hidden"):
            held.thread_ids = ()
            st.rerun()
        if st.button("Select them no longer", key="drop_hidden", type="primary"):
            selection.remove(set(held.thread_ids))
            held.thread_ids = ()
            st.rerun()


def _said(asked: int, found: int) -> str:
    """How many there are, how many of them are listed, and whether some are gone."""
    words = f"{text.count(asked, 'selected run')} {'is' if asked == 1 else 'are'} not in this list."
    if asked > SHOWN:
        return f"{words} {found:,} of them are listed."
    gone = asked - found
    return (
        f"{words} {text.count(gone, 'run')} of them {'is' if gone == 1 else 'are'} gone."
        if gone
        else words
    )
