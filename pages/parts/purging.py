"""Removing the copy of a deletion, which asks first: nothing of it can be restored afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import session, text, times
from pages.parts.messages import shown_errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from runmanager.records import Actor, PurgePlan


@dataclass
class _Asked:
    """The operation whose copy is to go, and what that would do."""

    operation_id: str | None = None
    plan: PurgePlan | None = None


def ask_to_purge(operation_id: str) -> None:
    """Open the confirmation. It is drawn when the script runs next."""
    held = session.slot(_Asked)
    held.operation_id, held.plan = operation_id, None


def draw_dialog(actor: Actor, on_started: Callable[[str], None]) -> None:
    """Draw the confirmation where it was asked for; ``on_started`` is told the new operation."""
    if session.slot(_Asked).operation_id is not None:
        _dialog(actor, on_started)


def _dismissed() -> None:
    session.slot(_Asked).operation_id = None


@st.dialog("Purge the copy", width="medium", on_dismiss=_dismissed)
def _dialog(actor: Actor, on_started: Callable[[str], None]) -> None:
    held = session.slot(_Asked)
    if held.operation_id is None:
        # A second click on a button that has done its work.
        st.rerun()
    with shown_errors():
        if held.plan is None:
            held.plan = session.service().operations.plan_purge(actor, held.operation_id)
    plan = held.plan
    until = ""
    if plan.kept_until is not None:
        until = f", which would be kept until {times.day(plan.kept_until, times.viewer_zone())},"
    st.markdown(
        f"The copy of **{text.count(plan.runs, 'run')}** ({text.size(plan.archive_bytes)}){until} "
        "is removed. From then on **nothing of it can be restored**. The receipt stays."
    )
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Cancel", key="cancel_purge"):
            held.operation_id = None
            st.rerun()
        if st.button(
            "Purge the copy", key="confirm_purge", type="primary", icon=":material/delete_forever:"
        ):
            operation_id = held.operation_id
            held.operation_id, held.plan = None, None
            with shown_errors():
                started = session.service().operations.purge(actor, operation_id)
            on_started(started.operation_id)
            st.rerun()
