"""Operations above the list: a slim bar while some are at work, then the result of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import (
    operation_steps,
    operation_words,
    rates,
    restoring,
    run_list,
    run_total,
    scripts,
    selection,
    session,
    table,
    text,
)
from pages.parts.address import OPERATION_ID
from pages.parts.messages import shown_errors
from runmanager.errors import ArchiveError, StoreError
from runmanager.records import OperationState
from runmanager.text import shorten

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runmanager.records import Actor, FailedRun, OperationView, Receipt

_ORDER = (
    OperationState.RUNNING,
    OperationState.INTERRUPTED,
    OperationState.QUEUED,
    OperationState.PAUSED,
)
SHOWN_FAILURES = 500
BAR = "operations-bar"


@dataclass
class _Operation:
    """The operation that is watched, and the last one that has finished.

    ``shown`` are those that the bar was drawn for, ``missed`` why nobody could look. The page has
    looked when the bar is drawn with it, and not when the bar is drawn by itself.
    """

    operation_id: str | None = None
    finished: OperationView | None = None
    is_working: bool = False
    shown: tuple[OperationView, ...] = ()
    missed: str = ""
    has_looked: bool = False


def watch(operation_id: str) -> None:
    """Show this operation from now on, in the place of the last one's result."""
    held = session.slot(_Operation)
    held.operation_id, held.finished, held.is_working = operation_id, None, True


def is_working() -> bool:
    """Whether the operation that is watched is at work, or about to be."""
    held = session.slot(_Operation)
    return held.operation_id is not None and held.is_working


def was_removed(thread_id: str) -> bool:
    """Whether the result on the page says that this run is gone."""
    finished = session.slot(_Operation).finished
    receipt = finished.receipt if finished is not None else None
    return receipt is not None and receipt.removed(thread_id)


def draw_operation(actor: Actor) -> None:
    """Draw what is at work, whoever started it, and the result of the session's own operation."""
    held = session.slot(_Operation)
    _look(actor)
    held.has_looked = True
    # A part that is drawn by itself has to be the same function each time, whatever its clock.
    bar = st.fragment(_draw_bar, key=BAR, run_every=operation_words.pace(held.shown))
    bar(actor)
    if held.finished is not None:
        _draw_result(actor, held.finished, held.finished.receipt)
    restoring.draw_dialog(actor, watch)


def _look(actor: Actor) -> None:
    """Ask what there is, and watch what this admin started in a tab that is closed by now."""
    held = session.slot(_Operation)
    try:
        with shown_errors(but=(StoreError,)):
            held.shown, held.missed = session.service().operations.running(actor), ""
    except StoreError as error:
        # The list of runs is as good without.
        held.shown, held.missed = (), error.message
        return
    own = [one for one in held.shown if _is_own(one, actor)]
    if held.operation_id is None and own:
        held.operation_id = own[0].operation_id
    held.shown = tuple(sorted(held.shown, key=lambda one: _rank(one, held.operation_id)))
    watched = [one for one in held.shown if one.operation_id == held.operation_id]
    held.is_working = any(map(operation_words.is_at_work, watched))
    if held.operation_id is not None and not watched:
        _finish(actor, held.operation_id)


def _rank(view: OperationView, watched: str | None) -> tuple[bool, int]:
    """The session's own first, then what is at work before what waits or rests."""
    return view.operation_id != watched, _ORDER.index(view.state) if view.state in _ORDER else 9


def _is_own(view: OperationView, actor: Actor) -> bool:
    return view.actor.user_id == actor.user_id and view.origin == "page"


def _finish(actor: Actor, operation_id: str) -> None:
    """Take what came of the watched operation, once it is past."""
    held = session.slot(_Operation)
    held.operation_id, held.is_working = None, False
    operations = session.service().operations
    with shown_errors():
        try:
            found = operations.get(actor, operation_id)
        except (ArchiveError, StoreError):
            # What came of it is known all the same; its page says why the rest is not.
            found = operations.view(actor, operation_id)
    if not found.is_over:
        held.operation_id = operation_id
        return
    held.finished = found
    run_total.forget()
    run_list.read_again()
    receipt = found.receipt
    if receipt is not None and receipt.kind.removes_runs:
        selection.settle(receipt)


def _draw_bar(actor: Actor) -> None:
    held = session.slot(_Operation)
    if not held.has_looked:
        before = _states(held.shown)
        _look(actor)
        if _states(held.shown) != before:
            # What else is on the page depends on it.
            st.rerun()
    held.has_looked = False
    with st.container(key="progress-place", gap=None):
        if held.missed:
            with st.container(key="operations-noted"):
                st.text(held.missed)
        if held.shown:
            _draw_line(actor, held.shown[0], len(held.shown) - 1)


def _states(views: Iterable[OperationView]) -> dict[str, OperationState]:
    return {one.operation_id: one.state for one in views}


def _draw_line(actor: Actor, view: OperationView, others: int) -> None:
    with st.container(
        key="progress", horizontal=True, wrap=False, vertical_alignment="center", gap="small"
    ):
        said = [f"{view.kind.doing}: {operation_words.progress(view)}"]
        said += filter(None, [operation_words.waiting(view) or rates.said(view)])
        if not _is_own(view, actor):
            said.append(f"by {view.actor.username}")
        with st.container(key="progress-words", width="content"):
            # A name is the host's text: never Markdown.
            st.text(" · ".join(said))
        st.progress(operation_words.share(view))
        st.page_link(
            "operations.py",
            label="Details",
            query_params={OPERATION_ID: view.operation_id},
            width="content",
        )
        if others:
            st.page_link("operations.py", label=f"{others:,} more", width="content")
        operation_steps.draw_steps(actor, view, most=1)


def _put_away() -> None:
    session.slot(_Operation).finished = None


def _draw_result(actor: Actor, view: OperationView, receipt: Receipt | None) -> None:
    with st.container(border=True, key="result"):
        with st.container(key="announced"):
            scripts.announce(operation_words.outcome(view), view.operation_id)
        with st.container(
            key="result-head", horizontal=True, vertical_alignment="center", gap="small"
        ):
            st.markdown(_headline(view, receipt))
            if operation_words.can_be_restored(view) and operation_words.done(view):
                st.button(
                    "Undo",
                    key="undo",
                    icon=":material/undo:",
                    on_click=_undo,
                    args=(actor, view.operation_id),
                )
            if view.operation_id:
                st.page_link(
                    "operations.py",
                    label="Receipt",
                    icon=":material/receipt_long:",
                    query_params={OPERATION_ID: view.operation_id},
                    width="content",
                )
            st.button("Close", key="close_result", on_click=_put_away, type="tertiary")
        if receipt is None:
            return
        rows = [f"{count:,} {table}" for table, count in receipt.tables if count]
        if rows:
            st.text(f"Rows {receipt.kind.done}: {text.listed(rows)}.")
        for remark in receipt.remarks:
            st.text(remark)
        if receipt.failed:
            _draw_failures(receipt)


def _undo(actor: Actor, operation_id: str) -> None:
    """Put all of it back: at once, or after a look at what would not be as it was."""
    started = restoring.undo(actor, operation_id)
    if started is not None:
        watch(started)


def _headline(view: OperationView, receipt: Receipt | None) -> str:
    icon = ":red[:material/error:]" if view.failed else ":green[:material/check_circle:]"
    said = f"{icon} **{operation_words.outcome(view)}**"
    if receipt is None:
        return said
    return f"{said} · {text.count(receipt.rows, 'row')} in {text.duration(receipt.seconds)}"


def _draw_failures(receipt: Receipt) -> None:
    shown = receipt.failed[:SHOWN_FAILURES]
    table.draw(
        shown,
        [
            table.words("Failed run", _failed_title, width=220),
            table.words("Reason", lambda run: run.error, width=560),
            table.words("ID", lambda run: run.thread_id, width=100),
        ],
        most=6,
    )
    if receipt.failed_count > len(shown):
        st.caption(f"and {text.count(receipt.failed_count - len(shown), 'more failed run')}")


def _failed_title(run: FailedRun) -> str:
    return shorten(run.title, 200)
