"""What is searched for may stand in errors: how many runs have it there, and the way to them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import filtering, later, run_list, session, text
from runmanager.errors import RunManagerError

if TYPE_CHECKING:
    from pages.parts.address import View
    from runmanager.records import Actor


def draw_offer(actor: Actor, view: View) -> None:
    """Offer the runs that have the text searched for in their error; nothing where none has."""
    run_filter = view.run_filter
    if not run_filter.search:
        return
    ask = partial(session.service().triage.with_error, actor, run_filter)
    try:
        found = later.answer("errors", (run_filter, run_list.readings()), ask)
    except later.NotYetError:
        later.catch_up()
        return
    except RunManagerError:
        return
    if found is None or not found.count:
        return
    have = "has" if found.count == 1 and found.is_exact else "have"
    number = text.count(found.count, "run") if found.is_exact else f"{text.total(found)} runs"
    with st.container(key="in-errors", horizontal=True, width="content", gap="xsmall"):
        st.button(
            f"{number} {have} this in their error · show them",
            key="show_in_errors",
            type="tertiary",
            icon=":material/bug_report:",
            on_click=filtering.change,
            args=({"search": "", "error": run_filter.search},),
        )
