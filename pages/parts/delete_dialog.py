"""The confirmation: what would be deleted, exactly, and the button that starts it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import copy_kept, deletion_summary, operation, selection, session, text
from pages.parts.messages import shown_errors
from runmanager.errors import InvalidRequestError, OutdatedPlanError, PlanExpiredError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pages.parts.selection import Matching
    from runmanager.records import Actor, DeletionPlan

TYPED_ABOVE = 100
MAX_REASON = 500
RUNNING_KEY = "include_running"
REASON_KEY = "deletion_reason"


@dataclass(frozen=True)
class _Asked:
    """What a deletion was asked for: these runs, or all of a filter but some."""

    thread_ids: tuple[str, ...] = ()
    matching: Matching | None = None
    excepted: tuple[str, ...] = ()


@dataclass
class _Confirmation:
    """What a deletion was asked for, and what it would do: nothing while none is."""

    asked: _Asked | None = None
    plan: DeletionPlan | None = None


def ask_to_delete(thread_ids: Iterable[str]) -> None:
    """Open the confirmation for these runs. It is drawn when the script runs next."""
    _ask(_Asked(tuple(thread_ids)))


def ask_to_delete_matching(matching: Matching, excepted: tuple[str, ...]) -> None:
    """Open it for all runs of a filter but for ``excepted``."""
    _ask(_Asked(matching=matching, excepted=excepted))


def _ask(asked: _Asked) -> None:
    held = session.slot(_Confirmation)
    held.asked, held.plan = asked, None
    session.seed(RUNNING_KEY, False)
    session.seed("typed_count", "")
    session.seed(REASON_KEY, "")
    copy_kept.reset()


def draw_dialog(actor: Actor, on_started: Callable[[str], None] = operation.watch) -> None:
    """Draw the confirmation where one was asked for; ``on_started`` is told the operation."""
    if session.slot(_Confirmation).asked is not None:
        _dialog(actor, on_started)


def _dismissed() -> None:
    session.slot(_Confirmation).asked = None


@st.dialog("Delete runs", width=760, on_dismiss=_dismissed)
def _dialog(actor: Actor, on_started: Callable[[str], None]) -> None:
    held = session.slot(_Confirmation)
    if held.asked is None:
        # A second click on a button that has done its work.
        st.rerun()
    include_running = session.value(RUNNING_KEY) is True
    with shown_errors():
        # Planned once and kept: what is confirmed is what was shown.
        if held.plan is None or held.plan.include_running != include_running:
            held.plan = _plan(actor, held.asked, include_running=include_running)
    plan = held.plan
    with st.container(key="confirmation"):
        deletion_summary.draw_summary(plan)
        copy_kept.draw(plan)
        _draw_notices(plan)
        _draw_tabs(plan)
    confirmed = _draw_questions(plan)
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Cancel", key="cancel_deletion"):
            held.asked = None
            st.rerun()
        if st.button(
            f"Delete {text.count(plan.total, 'run')}",
            key="confirm_deletion",
            type="primary",
            icon=":material/delete:",
            disabled=not plan.total or not confirmed or not copy_kept.is_settled(plan),
        ):
            _start(actor, plan, on_started)


def _plan(actor: Actor, asked: _Asked, *, include_running: bool) -> DeletionPlan:
    deleting = session.service().deleting
    if asked.matching is None:
        return deleting.plan(actor, asked.thread_ids, include_running=include_running)
    with st.spinner("Counting what goes …"):
        return deleting.plan_matching(
            actor,
            asked.matching.run_filter,
            until=asked.matching.until,
            excepting=asked.excepted,
            every=not asked.matching.run_filter,
            include_running=include_running,
        )


def _start(actor: Actor, plan: DeletionPlan, on_started: Callable[[str], None]) -> None:
    held = session.slot(_Confirmation)
    asked = held.asked
    # First of all: a second click must not find a plan to start again.
    held.asked, held.plan = None, None
    with shown_errors():
        try:
            started = session.service().deleting.start(
                actor, plan, reason=_reason() or None, archive=copy_kept.choice(plan)
            )
        except (OutdatedPlanError, PlanExpiredError, InvalidRequestError):
            # The same runs are planned anew, and looked over before anything goes.
            held.asked = asked
            raise
    if asked is not None and asked.matching is not None:
        selection.hand_over(started.operation_id)
    else:
        # What was left out stays, and is not left marked to be deleted.
        left_out = (*plan.excluded, *plan.active, *(one.run for one in plan.held))
        selection.remove({run.thread_id for run in left_out})
    on_started(started.operation_id)
    st.rerun()


def _reason() -> str:
    return str(session.value(REASON_KEY) or "").strip()


def _draw_notices(plan: DeletionPlan) -> None:
    """Draw what an admin must have seen before they confirm."""
    left_out = deletion_summary.running_sentences(plan)
    included = deletion_summary.running_included(plan)
    if left_out or plan.include_running:
        with st.container(border=True, key="running-runs", gap="xsmall"):
            for sentence in left_out:
                st.markdown(f":blue-badge[running] **{sentence}**")
            if included:
                st.markdown(
                    f":red-badge[running] **{text.count(included, 'running run')} included.**"
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
    left_out = max(len(plan.excluded), plan.running) + len(plan.active) + len(plan.held)
    labels = [
        deletion_summary.runs_label(plan),
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


def _draw_questions(plan: DeletionPlan) -> bool:
    """Ask why, and for the number where it is large; whether both are answered."""
    needs_count = plan.total > TYPED_ABOVE or deletion_summary.takes_every_run(plan)
    above = session.service().deleting.reason_above
    needs_reason = above is not None and plan.total > above
    with st.container(horizontal=True, key="deletion-questions", gap="small"):
        st.text_input(
            "Reason" if needs_reason else "Reason (optional)",
            key=REASON_KEY,
            max_chars=MAX_REASON,
            live=True,
            placeholder=(
                f"Needed for more than {text.count(above or 0, 'run')}"
                if needs_reason
                else "Why they go: the receipt says it"
            ),
        )
        typed = (
            st.text_input(
                f"Type {plan.total} to delete that many runs", key="typed_count", live=True
            )
            if needs_count and plan.total
            else None
        )
    is_counted = not needs_count or (typed or "").strip().replace(",", "") == str(plan.total)
    return is_counted and (bool(_reason()) or not needs_reason)
