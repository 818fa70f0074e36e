"""Putting runs back: at once where nothing would be otherwise than before, else after a look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import session, table, text
from pages.parts.messages import shown_errors
from runmanager.records import OperationView
from runmanager.text import shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runmanager.records import Actor, RestorePlan

LINES = 8


@dataclass
class _Asked:
    """The operation whose runs are to be put back, which of them (None: all), and the plan."""

    operation_id: str | None = None
    thread_ids: tuple[str, ...] | None = None
    plan: RestorePlan | None = None


def undo(actor: Actor, operation_id: str) -> str | None:
    """Put all runs of a deletion back, and return the operation that does; None where that has to
    be looked over first: ``draw_dialog`` then shows it.
    """
    with shown_errors():
        undone = session.service().operations.undo(actor, operation_id)
    if isinstance(undone, OperationView):
        return undone.operation_id
    held = session.slot(_Asked)
    held.operation_id, held.thread_ids, held.plan = operation_id, None, undone
    return None


def ask_to_restore(operation_id: str, thread_ids: Sequence[str] | None = None) -> None:
    """Open the confirmation for all runs of a deletion, or these. It is drawn at the next run."""
    held = session.slot(_Asked)
    held.operation_id, held.plan = operation_id, None
    held.thread_ids = None if thread_ids is None else tuple(thread_ids)


def draw_dialog(actor: Actor, on_started: Callable[[str], None]) -> None:
    """Draw the confirmation where it was asked for; ``on_started`` is told the new operation."""
    if session.slot(_Asked).operation_id is not None:
        _dialog(actor, on_started)


def _dismissed() -> None:
    session.slot(_Asked).operation_id = None


@st.dialog("Restore runs", width=760, on_dismiss=_dismissed)
def _dialog(actor: Actor, on_started: Callable[[str], None]) -> None:
    held = session.slot(_Asked)
    if held.operation_id is None:
        # A second click on a button that has done its work.
        st.rerun()
    with shown_errors():
        if held.plan is None:
            held.plan = session.service().operations.plan_restore(
                actor, held.operation_id, held.thread_ids
            )
    plan = held.plan
    going = plan.runs
    with st.container(key="confirmation"):
        _draw_plan(plan, going)
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Cancel", key="cancel_restore"):
            held.operation_id = None
            st.rerun()
        if st.button(
            f"Restore {text.count(going, 'run')}",
            key="confirm_restore",
            type="primary",
            icon=":material/undo:",
            disabled=plan.obstacle is not None or not going,
        ):
            _start(actor, on_started)


def _start(actor: Actor, on_started: Callable[[str], None]) -> None:
    held = session.slot(_Asked)
    operation_id, thread_ids = held.operation_id, held.thread_ids
    # First of all: a second click must not find anything to start again.
    held.operation_id, held.plan = None, None
    with shown_errors():
        started = session.service().operations.restore(actor, operation_id or "", thread_ids)
    on_started(started.operation_id)
    st.rerun()


def _draw_plan(plan: RestorePlan, going: int) -> None:
    if plan.obstacle is not None:
        st.text(plan.obstacle)
        return
    rows = sum(number for _table, number in plan.tables)
    st.markdown(
        f"**{text.count(going, 'run')}** {'is' if going == 1 else 'are'} put back as "
        f"{'it was' if going == 1 else 'they were'}: **{text.count(rows, 'row')}**. "
        "Nothing that is there now is overwritten."
    )
    if plan.tables:
        with st.container(key="tally"):
            st.text(text.listed(f"{number:,} {name}" for name, number in plan.tables if number))
    _draw_sentences("restore-changes", "Not as it was", plan.changes)
    _draw_sentences("restore-triggers", "Triggers of the application that fire", plan.triggers)
    if plan.refused:
        is_one = len(plan.refused) == 1
        with st.container(border=True, key="restore-refused"):
            st.markdown(
                f":orange-badge[refused] **{text.count(len(plan.refused), 'run')} "
                f"{'stays' if is_one else 'stay'} as {'it is' if is_one else 'they are'}.**"
            )
            table.draw(
                plan.refused,
                [
                    table.words("ID", lambda one: shorten(one[0], 200), width=240),
                    table.words("Reason", lambda one: one[1], width=440),
                ],
                row_height=table.SMALL_ROW,
                most=LINES,
            )


def _draw_sentences(key: str, heading: str, sentences: Sequence[str]) -> None:
    """Sentences that name what is the host's: text, never Markdown."""
    if sentences:
        with st.container(border=True, key=key, gap="xsmall"):
            st.markdown(f"**{heading}**")
            for sentence in sentences:
                st.text(sentence)
