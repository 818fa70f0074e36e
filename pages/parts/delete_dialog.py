"""The confirmation: what would be deleted, exactly, and the button that starts it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import operation, session, table, text
from pages.parts.messages import shown_errors
from runmanager.errors import OutdatedPlanError
from runmanager.text import shorten

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runmanager.records import Actor, DeletionPlan, PlannedRun, UnknownStatus

SHOWN_RUNS = 5
SHOWN_STATUSES = 5
ROW_HEIGHT = 28
TYPED_ABOVE = 100
MAX_STATUS = 100


@dataclass
class _Confirmation:
    """The runs that a deletion was asked for, and what it would do: empty while none is."""

    to_delete: tuple[str, ...] = ()
    plan: DeletionPlan | None = None


def ask_to_delete(thread_ids: Iterable[str]) -> None:
    """Open the confirmation for these runs. It is drawn when the script runs next."""
    held = session.slot(_Confirmation)
    held.to_delete, held.plan = tuple(thread_ids), None
    session.seed("include_running", False)
    session.seed("typed_count", "")


def draw_dialog(actor: Actor) -> None:
    """Draw the confirmation where one was asked for."""
    if session.slot(_Confirmation).to_delete:
        _dialog(actor)


def _dismissed() -> None:
    session.slot(_Confirmation).to_delete = ()


@st.dialog("Delete runs", width="medium", on_dismiss=_dismissed)
def _dialog(actor: Actor) -> None:
    held = session.slot(_Confirmation)
    if not held.to_delete:
        # A second click on a button that has done its work.
        st.rerun()
    include_running = session.value("include_running") is True
    with shown_errors():
        # Planned once and kept: what is confirmed is what was shown.
        if held.plan is None or held.plan.include_running != include_running:
            held.plan = session.service().deleting.plan(
                actor, held.to_delete, include_running=include_running
            )
    plan = held.plan
    _draw_summary(plan)
    _draw_running(plan)
    _draw_unknown(plan.unknown_statuses)
    _draw_held(plan)
    _draw_runs(plan.runs)
    _draw_tables(plan)
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
    operation.watch(started.operation_id)
    st.rerun()


def _draw_summary(plan: DeletionPlan) -> None:
    st.markdown(
        f"**{text.count(len(plan.runs), 'run')}** and every trace of "
        f"{'it' if len(plan.runs) == 1 else 'them'} will be deleted: "
        f"**{text.count(plan.rows, 'row')}**, {text.size(plan.stored_bytes)}. "
        "This cannot be undone."
    )
    orphans = sum(run.is_orphan for run in plan.runs)
    if orphans:
        st.info(f"{text.count(orphans, 'run')} left only orphan rows: those are cleaned up.")
    if plan.missing:
        is_one = len(plan.missing) == 1
        st.warning(
            f"{text.count(len(plan.missing), 'selected run')} {'is' if is_one else 'are'} no "
            f"longer in the database: somebody else deleted {'it' if is_one else 'them'}."
        )


def _draw_running(plan: DeletionPlan) -> None:
    running = len(plan.excluded) or sum(run.is_running for run in plan.runs)
    if not running:
        return
    with st.container(border=True, key="running-runs"):
        if plan.excluded:
            st.markdown(
                f":blue-badge[running] **{text.count(running, 'run')} still running "
                f"{'is' if running == 1 else 'are'} left out.**"
            )
            _draw_runs(plan.excluded)
        else:
            st.markdown(f":red-badge[running] **{text.count(running, 'running run')} included.**")
        st.checkbox(
            "Delete running runs too: what they still write afterwards stays as orphan rows",
            key="include_running",
        )


def _draw_unknown(statuses: Sequence[UnknownStatus]) -> None:
    """Say which statuses may mean that a run still runs. They are the host's own words: plain."""
    if not statuses:
        return
    with st.container(border=True, key="unknown-statuses"):
        for one in statuses[:SHOWN_STATUSES]:
            st.text(_about_unknown(one))
        further = statuses[SHOWN_STATUSES:]
        if further:
            words = text.count(len(further), "more status", "more statuses")
            runs = text.count(sum(one.runs for one in further), "run")
            st.text(f"The same goes for {words} of {runs}.")


def _about_unknown(unknown: UnknownStatus) -> str:
    has, are_deleted, still_run = "have", "they are deleted as if they had ended", "they still run"
    if unknown.runs == 1:
        has, are_deleted, still_run = "has", "it is deleted as if it had ended", "it still runs"
    runs = text.count(unknown.runs, "run")
    word = shorten(unknown.status or "", MAX_STATUS)
    if not word:
        return f"{runs} {has} no status: {are_deleted}."
    return (
        f"{runs} {has} the status “{word}”, which Run Manager does not know: {are_deleted}. "
        f"If it means that {still_run}, add it to RUNMANAGER_RUNNING_WORDS."
    )


def _draw_held(plan: DeletionPlan) -> None:
    """Say which runs the host's own foreign keys hold. The reasons name its tables: plain."""
    if not plan.held:
        return
    with st.container(border=True, key="held-runs"):
        is_one = len(plan.held) == 1
        st.markdown(
            f":orange-badge[held] **{text.count(len(plan.held), 'run')} "
            f"{'is' if is_one else 'are'} held by rows that the application keeps, and "
            f"{'stays' if is_one else 'stay'}.**"
        )
        _draw_runs([one.run for one in plan.held])
        for reason in dict.fromkeys(one.reason for one in plan.held):
            st.text(reason)


def _draw_runs(runs: Sequence[PlannedRun]) -> None:
    if not runs:
        return
    table.draw(
        runs[:SHOWN_RUNS],
        [
            table.words("Run", lambda run: shorten(run.title, 200), width=320),
            table.statuses("Status", lambda run: (run.status, run.kind), width=110),
            table.times("Time", lambda run: run.created_at),
        ],
        row_height=ROW_HEIGHT,
    )
    if len(runs) > SHOWN_RUNS:
        st.caption(f"and {text.count(len(runs) - SHOWN_RUNS, 'more run')}")


def _draw_tables(plan: DeletionPlan) -> None:
    table.draw(
        plan.tables,
        [
            table.words("Table", lambda one: one.table, width=320),
            table.numbers("Rows", lambda one: one.rows, width=110),
            table.sizes("Size", lambda one: one.stored_bytes, width=150),
        ],
        row_height=ROW_HEIGHT,
    )
    for kept in plan.kept:
        st.text(kept.sentence if kept.denied is None else f"{kept.sentence} {kept.denied}")
    for sentence in plan.unseen:
        st.text(sentence)
    for left in plan.left_behind:
        if left.denied is not None:
            st.text(f"Left behind: what is in {left.table}, uncounted. {left.denied}")
            continue
        rows = "rows (too many to count)" if left.rows is None else text.count(left.rows, "row")
        st.text(f"Left behind: {rows} in {left.table}")
    st.caption(
        "Sizes are as stored. The space is reused inside the tables; it returns to the disk only "
        "by VACUUM FULL."
    )


def _draw_typed_count(plan: DeletionPlan) -> bool:
    """Ask for the number where it is large; whether the deletion is confirmed as far as this."""
    if len(plan.runs) <= TYPED_ABOVE:
        return True
    typed = st.text_input(
        f"Type {len(plan.runs)} to delete that many runs", key="typed_count", live=True
    )
    return (typed or "").strip().replace(",", "") == str(len(plan.runs))
