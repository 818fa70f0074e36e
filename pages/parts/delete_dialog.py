"""The confirmation: what would be deleted, exactly, and the button that starts it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import deletion_summary, operation, selection, session, text
from pages.parts.messages import shown_errors
from runmanager.errors import OutdatedPlanError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runmanager.records import Actor, DeletionPlan

TYPED_ABOVE = 100
RUNNING_KEY = "include_running"


@dataclass
class _Confirmation:
    """The runs that a deletion was asked for, and what it would do: empty while none is."""

    to_delete: tuple[str, ...] = ()
    plan: DeletionPlan | None = None


def ask_to_delete(thread_ids: Iterable[str]) -> None:
    """Open the confirmation for these runs. It is drawn when the script runs next."""
    held = session.slot(_Confirmation)
    held.to_delete, held.plan = tuple(thread_ids), None
    session.seed(RUNNING_KEY, False)
    session.seed("typed_count", "")


def draw_dialog(actor: Actor) -> None:
    """Draw the confirmation where one was asked for."""
    if session.slot(_Confirmation).to_delete:
        _dialog(actor)


def _dismissed() -> None:
    session.slot(_Confirmation).to_delete = ()


@st.dialog("Delete runs", width=760, on_dismiss=_dismissed)
def _dialog(actor: Actor) -> None:
    held = session.slot(_Confirmation)
    if not held.to_delete:
        # A second click on a button that has done its work.
        st.rerun()
    include_running = session.value(RUNNING_KEY) is True
    with shown_errors():
        # Planned once and kept: what is confirmed is what was shown.
        if held.plan is None or held.plan.include_running != include_running:
            held.plan = session.service().deleting.plan(
                actor, held.to_delete, include_running=include_running
            )
    plan = held.plan
    with st.container(key="confirmation"):
        deletion_summary.draw_summary(plan)
        _draw_notices(plan)
        _draw_tabs(plan)
    confirmed = _draw_typed_count(plan)
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Cancel", key="cancel_deletion"):
            held.to_delete = ()
            st.rerun()
        if st.button(
            f"Delete {text.count(len(plan.runs), 'run')}",
            key="confirm_deletion",
            type="primary",
            icon=":material/delete:",
            disabled=not plan.runs or not confirmed,
        ):
            _start(actor, plan)


def _start(actor: Actor, plan: DeletionPlan) -> None:
    held = session.slot(_Confirmation)
    asked = held.to_delete
    # First of all: a second click must not find a plan to start again.
    held.to_delete, held.plan = (), None
    with shown_errors():
        try:
            started = session.service().deleting.start(actor, plan)
        except OutdatedPlanError:
            # The same runs are planned anew, and looked over before anything goes.
            held.to_delete = asked
            raise
    # What was left out stays, and is not left marked to be deleted.
    selection.remove({run.thread_id for run in plan.excluded})
    operation.watch(started.operation_id)
    st.rerun()


def _draw_notices(plan: DeletionPlan) -> None:
    """Draw what an admin must have seen before they confirm."""
    running = len(plan.excluded) or sum(run.is_running for run in plan.runs)
    if running:
        with st.container(border=True, key="running-runs"):
            if plan.excluded:
                st.markdown(
                    f":blue-badge[running] **{text.count(running, 'run')} still running "
                    f"{'is' if running == 1 else 'are'} left out.**"
                )
            else:
                st.markdown(
                    f":red-badge[running] **{text.count(running, 'running run')} included.**"
                )
            st.checkbox(
                "Delete running runs too: what they still write afterwards stays as orphan rows",
                key=RUNNING_KEY,
            )
    unknown = deletion_summary.unknown_sentences(plan.unknown_statuses)
    if unknown:
        with st.container(border=True, key="unknown-statuses"):
            for sentence in unknown:
                # The host's own words: text, never Markdown.
                st.text(sentence)
    if plan.held:
        with st.container(border=True, key="held-runs"):
            is_one = len(plan.held) == 1
            st.markdown(
                f":orange-badge[held] **{text.count(len(plan.held), 'run')} "
                f"{'is' if is_one else 'are'} held by rows that the application keeps, and "
                f"{'stays' if is_one else 'stay'}.**"
            )


def _draw_tabs(plan: DeletionPlan) -> None:
    """Draw the particulars, of which only those that are looked at are made."""
    kept = deletion_summary.kept_sentences(plan)
    left_out = len(plan.excluded) + len(plan.held)
    labels = [
        f"All {text.count(len(plan.runs), 'run')}" if len(plan.runs) > 1 else "The run",
        f"Left out {left_out:,}" if left_out else "Left out",
        "Tables",
        f"Kept and left behind {len(kept):,}" if kept else "Kept and left behind",
    ]
    runs, out, tables, stays = st.tabs(labels, key="deletion-tabs", on_change="rerun")
    if runs.open:
        with runs:
            deletion_summary.draw_runs(plan)
    if out.open:
        with out:
            deletion_summary.draw_left_out(plan)
    if tables.open:
        with tables:
            deletion_summary.draw_tables(plan)
    if stays.open:
        with stays:
            for sentence in kept or ("Nothing of these runs stays.",):
                st.text(sentence)


def _draw_typed_count(plan: DeletionPlan) -> bool:
    """Ask for the number where it is large; whether the deletion is confirmed as far as this."""
    if len(plan.runs) <= TYPED_ABOVE:
        return True
    typed = st.text_input(
        f"Type {len(plan.runs)} to delete that many runs", key="typed_count", live=True
    )
    return (typed or "").strip().replace(",", "") == str(len(plan.runs))
