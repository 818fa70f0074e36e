"""An operation on the page: its progress while it works, then its result until it is put away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import run_list, run_total, scripts, selection, session, table, text
from pages.parts.messages import shown_errors
from runmanager.errors import OperationNotFoundError
from runmanager.records import OperationState
from runmanager.text import shorten

if TYPE_CHECKING:
    from runmanager.records import Actor, FailedRun, OperationView, Receipt

POLL_SECONDS = 0.5
SHOWN_FAILURES = 500


@dataclass
class _Operation:
    """The operation that is watched, and the last one that has finished."""

    operation_id: str | None = None
    finished: OperationView | None = None


def watch(operation_id: str) -> None:
    """Show this operation from now on, in the place of the last one's result."""
    held = session.slot(_Operation)
    held.operation_id, held.finished = operation_id, None


def is_working() -> bool:
    """Whether an operation is being watched."""
    return session.slot(_Operation).operation_id is not None


def was_removed(thread_id: str) -> bool:
    """Whether the result on the page says that this run is gone."""
    finished = session.slot(_Operation).finished
    receipt = finished.receipt if finished is not None else None
    return receipt is not None and receipt.removed(thread_id)


def draw_operation(actor: Actor) -> None:
    """Draw the session's operation: watched while it runs, its receipt once it has finished."""
    held = session.slot(_Operation)
    if held.operation_id is None:
        _adopt(actor)
    if held.operation_id is not None:
        _watch(actor)
    if held.finished is not None and held.finished.receipt is not None:
        _draw_result(held.finished.operation_id, held.finished.receipt)


def _adopt(actor: Actor) -> None:
    """Watch an operation that this admin started in a tab that is closed by now."""
    with shown_errors():
        running = session.service().watching.running_operations(actor)
    if running:
        session.slot(_Operation).operation_id = running[0].operation_id


@st.fragment(run_every=POLL_SECONDS)
def _watch(actor: Actor) -> None:
    held = session.slot(_Operation)
    if held.operation_id is None:
        return
    with shown_errors():
        try:
            operation = session.service().watching.operation(actor, held.operation_id)
        except OperationNotFoundError:
            held.operation_id = None
            raise
    if operation.state is OperationState.FINISHED:
        _finish(operation)
        st.rerun()
    with st.container(border=True, key="progress"):
        done = f"{operation.done:,} of {text.count(operation.total, 'run')}"
        failed = f", {operation.failed:,} failed" if operation.failed else ""
        st.progress(
            operation.done / operation.total, text=f"{operation.kind.doing}: {done}{failed}"
        )
        if operation.is_stopping:
            st.caption("Stopping after the present batch …")
        elif st.button("Stop", key="stop_operation", icon=":material/stop:"):
            with shown_errors():
                session.service().watching.stop_operation(actor, held.operation_id)


def _finish(operation: OperationView) -> None:
    held = session.slot(_Operation)
    held.operation_id = None
    held.finished = operation
    run_total.forget()
    run_list.read_again()
    if operation.receipt is not None and operation.receipt.kind.removes_runs:
        # What failed stays selected: it can be looked at and tried again.
        failed = {run.thread_id for run in operation.receipt.failed}
        selection.remove({run.thread_id for run in operation.receipt.done} - failed)


def _put_away() -> None:
    session.slot(_Operation).finished = None


def _draw_result(operation_id: str, receipt: Receipt) -> None:
    with st.container(border=True, key="result"):
        with st.container(key="announced"):
            scripts.announce(_what_was_done(receipt), operation_id)
        title, close = st.columns([8, 1], vertical_alignment="center")
        title.markdown(_headline(receipt))
        close.button("Close", key="close_result", on_click=_put_away, type="tertiary")
        rows = [f"{count:,} {table}" for table, count in receipt.tables if count]
        if rows:
            st.text(f"Rows {receipt.kind.done}: {text.listed(rows)}.")
        for remark in receipt.remarks:
            st.text(remark)
        if receipt.failed:
            _draw_failures(receipt)


def _headline(receipt: Receipt) -> str:
    icon = ":red[:material/error:]" if receipt.failed else ":green[:material/check_circle:]"
    stopped = " · stopped" if receipt.was_stopped else ""
    return (
        f"{icon} **{_what_was_done(receipt)}**{stopped} · {text.count(receipt.rows, 'row')} "
        f"in {text.duration(receipt.seconds)}"
    )


def _what_was_done(receipt: Receipt) -> str:
    failed = f", {len(receipt.failed):,} failed" if receipt.failed else ""
    return f"{text.count(len(receipt.done), 'run')} {receipt.kind.done}{failed}"


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
    if len(receipt.failed) > SHOWN_FAILURES:
        st.caption(f"and {text.count(len(receipt.failed) - SHOWN_FAILURES, 'more failed run')}")


def _failed_title(run: FailedRun) -> str:
    return shorten(run.title, 200)
