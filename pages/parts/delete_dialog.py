"""The confirmation: what would be deleted, exactly, and the button that starts it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from pages.parts import session, styles, text
from pages.parts.messages import shown_errors
from pages.parts.run_grid import viewer_zone
from runmanager.text import shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runmanager.records import Actor, DeletionPlan, PlannedRun

SHOWN_RUNS = 5
ROW_HEIGHT = 28
TYPED_ABOVE = 100


def ask_to_delete(thread_ids: Sequence[str]) -> None:
    """Open the confirmation for these runs in this script run's successor."""
    held = session.state()
    held.to_delete = tuple(thread_ids)
    held.plan = None
    session.seed("include_running", False)
    session.seed("typed_count", "")


def draw_dialog(actor: Actor) -> None:
    """Draw the confirmation where one was asked for."""
    if session.state().to_delete:
        _dialog(actor)


def _dismissed() -> None:
    session.state().to_delete = ()


@st.dialog("Delete runs", width="medium", on_dismiss=_dismissed)
def _dialog(actor: Actor) -> None:
    held = session.state()
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
    held = session.state()
    # First of all: a second click must not find a plan to start again.
    held.to_delete = ()
    held.plan = None
    with shown_errors():
        operation = session.service().deleting.start(actor, plan)
    held.operation_id = operation.operation_id
    held.finished = None
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
        st.warning(
            f"{text.count(len(plan.missing), 'selected run')} no longer in the database: "
            "somebody else deleted it."
            if len(plan.missing) == 1
            else f"{text.count(len(plan.missing), 'selected run')} are no longer in the database."
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


def _draw_runs(runs: Sequence[PlannedRun]) -> None:
    if not runs:
        return
    shown = runs[:SHOWN_RUNS]
    statuses = styles.pill_colors(run.status for run in shown)
    st.dataframe(
        pd.DataFrame(
            {
                "Run": pd.Series([shorten(run.title, 200) for run in shown], dtype="str"),
                "Status": [[styles.status_word(run.status)] for run in shown],
                "Time": pd.Series([run.created_at for run in shown], dtype="datetime64[us, UTC]"),
            }
        ),
        hide_index=True,
        height="content",
        row_height=ROW_HEIGHT,
        placeholder="—",
        column_config={
            "Run": st.column_config.TextColumn(width=320),
            "Status": st.column_config.MultiselectColumn(
                options=list(statuses), color=list(statuses.values()), width=110
            ),
            "Time": st.column_config.DatetimeColumn(
                format="D MMM YYYY, HH:mm", timezone=viewer_zone().key, width=150
            ),
        },
    )
    if len(runs) > SHOWN_RUNS:
        st.caption(f"and {text.count(len(runs) - SHOWN_RUNS, 'more run')}")


def _draw_tables(plan: DeletionPlan) -> None:
    st.dataframe(
        pd.DataFrame(
            {
                "Table": pd.Series([table.table for table in plan.tables], dtype="str"),
                "Rows": [table.rows for table in plan.tables],
                "Size": pd.Series(
                    [text.size(one.stored_bytes) for one in plan.tables], dtype="str"
                ),
            }
        ),
        hide_index=True,
        height="content",
        row_height=ROW_HEIGHT,
        column_config={
            "Table": st.column_config.TextColumn(width=320),
            "Rows": st.column_config.NumberColumn(format="localized", width=110),
            "Size": st.column_config.TextColumn(alignment="right", width=150),
        },
    )
    for left in plan.left_behind:
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
