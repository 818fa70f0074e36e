"""One operation: who asked for it and why, how far it is, and what can be done with it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import (
    address,
    delete_dialog,
    operation_steps,
    operation_words,
    purging,
    rates,
    receipt,
    restoring,
    session,
    styles,
    text,
    times,
)
from pages.parts.messages import shown_errors
from runmanager.errors import ArchiveError, StoreError
from runmanager.records import OperationState

if TYPE_CHECKING:
    from runmanager.records import Actor, OperationView

FACTS_IN_A_ROW = 4
_OTHERS_STAY = (
    "One retry takes those that the receipt lists. Select the others anew to delete them."
)


def draw(actor: Actor, operation_id: str) -> None:
    """Draw the operation of that id."""
    with st.container(key="top"):
        st.page_link(
            "operations.py",
            label="All operations",
            icon=":material/arrow_back:",
            query_params=address.operations_query(),
        )
    view, missing = _read(actor, operation_id)
    st.set_page_config(page_title=f"{operation_words.title(view)} · Run Manager")
    _draw_title(view)
    _draw_facts(view)
    if view.is_over:
        _draw_deeds(actor, view)
        if view.receipt is not None:
            receipt.draw(view, view.receipt)
        else:
            st.text(f"{operation_words.outcome(view)}.")
            st.text(view.message or missing)
    else:
        watch = st.fragment(
            _watch,
            key="operation-watch",
            run_every=operation_words.pace([view]),
        )
        watch(actor, operation_id, view.state)
    delete_dialog.draw_dialog(actor, address.open_operation)
    restoring.draw_dialog(actor, address.open_operation)
    purging.draw_dialog(actor, address.open_operation)


def _read(actor: Actor, operation_id: str) -> tuple[OperationView, str]:
    """The operation; without its receipt, and with the reason, where the archive is away."""
    operations = session.service().operations
    with shown_errors():
        try:
            return operations.get(actor, operation_id), "Its receipt is no longer there."
        except (ArchiveError, StoreError) as error:
            return operations.view(actor, operation_id), error.message


def _draw_title(view: OperationView) -> None:
    with st.container(key="run-title", horizontal=True, vertical_alignment="center"):
        st.text(operation_words.title(view))
        styles.draw_label(operation_words.state(view), operation_words.state_kind(view))
        with st.container(key="operation-id", width="content"):
            st.code(view.operation_id, language=None, width="content")


def _draw_facts(view: OperationView) -> None:
    zone = times.viewer_zone()
    found = view.receipt
    until = None if found is None else found.until
    facts: list[tuple[str, str | None]] = [
        ("By", f"{view.actor.username}, through {operation_words.door(view.origin)}"),
        ("Asked for", times.moment(view.created_at, zone)),
        ("Ended", times.moment(view.ended_at, zone)),
        ("At work", operation_words.took(view)),
        ("Runs", view.sentence),
        ("Started by", times.moment(until, zone)),
        ("Reason", view.reason),
        ("Interrupted", _interruptions(view.interruptions)),
        ("Copy kept", operation_words.archive(view) or _no_copy(view)),
    ]
    shown = [(name, value) for name, value in facts if value and value != "—"]
    with st.container(key="facts"):
        for start in range(0, len(shown), FACTS_IN_A_ROW):
            row = shown[start : start + FACTS_IN_A_ROW]
            for (name, value), column in zip(row, st.columns(FACTS_IN_A_ROW), strict=False):
                with column.container(gap=None):
                    st.text(name)
                    # A name, a filter, a reason: text, never Markdown.
                    st.text(value)
    if view.parent is not None:
        st.page_link(
            "operations.py",
            label="The deletion that it is about",
            icon=":material/receipt_long:",
            query_params={address.OPERATION_ID: view.parent},
        )


def _interruptions(number: int) -> str:
    return f"{text.count(number, 'time')}, and gone on with" if number else ""


def _no_copy(view: OperationView) -> str:
    return "none" if view.is_over and view.kind.removes_runs else ""


def _watch(actor: Actor, operation_id: str, drawn_as: OperationState) -> None:
    """Draw how far it is, until it stands otherwise than the page around this says."""
    with shown_errors():
        view = session.service().operations.view(actor, operation_id)
    if view.state is not drawn_as:
        st.rerun()
    with st.container(border=True, key="operation-progress"):
        said = [operation_words.progress(view), operation_words.waiting(view) or rates.said(view)]
        st.text(f"{view.kind.doing}: {' · '.join(filter(None, said))}")
        st.progress(operation_words.share(view))
        if view.message and view.state is not OperationState.PAUSED:
            st.text(view.message)
        with st.container(horizontal=True, key="operation-steps", gap="small"):
            operation_steps.draw_steps(actor, view)


def _draw_deeds(actor: Actor, view: OperationView) -> None:
    """What can be done with an operation that has ended."""
    with st.container(horizontal=True, key="operation-deeds", gap="small"):
        if (
            view.failed
            and view.kind.removes_runs
            and st.button(
                _retry_label(view),
                key="retry_operation",
                icon=":material/replay:",
                help=_OTHERS_STAY if _retried(view) < view.failed else None,
            )
        ):
            _retry(actor, view.operation_id)
        if operation_words.can_be_restored(view) and operation_words.done(view):
            _draw_restore(view)
            st.button(
                "Purge the copy",
                key="purge_operation",
                icon=":material/delete_forever:",
                on_click=purging.ask_to_purge,
                args=(view.operation_id,),
            )
        _draw_downloads(actor, view)


def _retried(view: OperationView) -> int:
    """How many of those that failed one retry takes: as many as the receipt lists."""
    return view.failed if view.receipt is None else len(view.receipt.failed)


def _retry_label(view: OperationView) -> str:
    retried = _retried(view)
    if retried == view.failed:
        return f"Retry the {retried:,} that failed"
    return f"Retry the first {retried:,} of {view.failed:,} that failed"


def _draw_restore(view: OperationView) -> None:
    chosen = receipt.chosen(view.operation_id)
    st.button(
        f"Restore {text.count(len(chosen), 'run')}" if chosen else "Restore all",
        key="restore_operation",
        icon=":material/undo:",
        on_click=restoring.ask_to_restore,
        args=(view.operation_id, chosen or None),
        help="Tick runs below to restore only those",
    )


def _draw_downloads(actor: Actor, view: OperationView) -> None:
    if view.receipt is None:
        return
    operation_id = view.operation_id
    st.download_button(
        "Receipt as HTML",
        data=partial(_html, actor, operation_id),
        file_name=f"receipt-{operation_id}.html",
        mime="text/html",
        key="receipt_html",
        icon=":material/download:",
        on_click="ignore",
        type="tertiary",
    )
    st.download_button(
        "JSON",
        data=partial(_json, actor, operation_id),
        file_name=f"receipt-{operation_id}.json",
        mime="application/json",
        key="receipt_json",
        icon=":material/download:",
        on_click="ignore",
        type="tertiary",
    )


def _html(actor: Actor, operation_id: str) -> bytes:
    return "".join(session.service().operations.receipt_html(actor, operation_id)).encode()


def _json(actor: Actor, operation_id: str) -> bytes:
    return b"".join(session.service().operations.receipt_json(actor, operation_id))


def _retry(actor: Actor, operation_id: str) -> None:
    with shown_errors():
        started = session.service().operations.retry(actor, operation_id)
    address.open_operation(started.operation_id)
