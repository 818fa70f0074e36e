"""All operations, of every admin, the newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import (
    address,
    operation_filter,
    operation_words,
    paged,
    rates,
    session,
    table,
    text,
)
from pages.parts.messages import shown_errors
from runmanager.records import EVERY_OPERATION
from runmanager.text import shorten

if TYPE_CHECKING:
    from runmanager.paging import Page, PageRequest
    from runmanager.records import Actor, OperationView

SIZE = 25
TABLE = "operations"
PAGER = "operations_page"
NONE = "There are none: what is done to runs is listed here."
NO_SUCH = "There are none like that."


def draw(actor: Actor) -> None:
    """Draw the list; again and again for as long as something is under way."""
    st.set_page_config(page_title="Operations · Run Manager")
    pace = _pace(actor)
    # A part that is drawn by itself has to be the same function each time, whatever its clock.
    st.fragment(_draw, key="operations-list", run_every=pace)(actor, pace)


def _pace(actor: Actor) -> float | None:
    with shown_errors():
        return operation_words.pace(session.service().operations.running(actor))


def _draw(actor: Actor, drawn_at_pace: float | None) -> None:
    if drawn_at_pace is not None and _pace(actor) != drawn_at_pace:
        # Its clock is set anew with the whole page.
        st.rerun()

    listed, admins = operation_filter.read(actor)
    with st.container(
        key="operations-head", horizontal=True, vertical_alignment="center", gap="small"
    ):
        with st.container(key="run-title", width="content"):
            st.text("Operations")
        with st.container(key="operations-kept", width="content"):
            st.text(_kept(actor))
        st.page_link(
            "runs.py",
            label="All runs",
            icon=":material/arrow_back:",
            query_params=address.list_query(),
            width="content",
        )
    operation_filter.draw(listed, admins)
    with st.container(key="notices", gap="xsmall"):
        for notice in listed.notices:
            st.info(notice)
    listed = operation_filter.turned(listed, PAGER)

    def read(request: PageRequest) -> Page[OperationView]:
        return session.service().operations.list(actor, request, listed.which)

    is_narrowed = listed.which != EVERY_OPERATION
    paged.draw(PAGER, SIZE, read, _draw_rows, nothing=NO_SUCH if is_narrowed else NONE)


def _kept(actor: Actor) -> str:
    """How big the copies of all deletions are, as far as that is known."""
    with shown_errors():
        kept = session.service().operations.kept(actor)
    said = "Copies kept: none"
    if kept.operations:
        deletions = text.count(kept.operations, "deletion")
        said = f"Copies kept: {text.size(kept.bytes)} of {deletions}"
    if kept.uncounted:
        is_one = kept.uncounted == 1
        said += (
            f" · not counted: {text.count(kept.uncounted, 'deletion')} that "
            f"{'has' if is_one else 'have'} not finished"
        )
    return said


def _draw_rows(page: Page[OperationView]) -> None:
    # Ticked, it opens as well: a name in a table cannot be pressed from the keyboard.
    table.draw_choice(
        page.items,
        [
            table.pills("State", operation_words.state, operation_words.state_colors, width=102),
            table.words("What", lambda one: one.kind.name.capitalize(), width=68),
            table.opener(
                TABLE,
                lambda one: shorten(operation_words.runs(one), 200),
                lambda one: one.operation_id,
                address.open_operation,
                heading="Runs",
                width=130,
            ),
            table.words("Progress and result", _progress, width=212),
            table.words("By", lambda one: one.actor.username, width=74),
            table.short_times("Asked for", lambda one: one.created_at),
            table.words("Took", operation_words.took, width=58, at_right=True),
            table.words("Copy", operation_words.archive, width=166),
            table.words("Reason", lambda one: shorten(one.reason or "", 200), only_if_any=True),
        ],
        key=TABLE,
        most=SIZE + 1,
        row_height=table.SMALL_ROW,
        id_of=lambda one: one.operation_id,
        chosen=None,
        choose=_open,
    )


def _open(operation_id: str | None) -> None:
    if operation_id is not None:
        address.open_operation(operation_id)


def _progress(view: OperationView) -> str:
    if view.is_over:
        return operation_words.outcome(view)
    failed = f", {view.failed:,} failed" if view.failed else ""
    said = [
        f"{view.done:,} of {view.total:,}{failed}",
        operation_words.waiting(view) or rates.said(view),
    ]
    return " · ".join(filter(None, said))
