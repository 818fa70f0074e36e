"""A run's checkpoints as a timeline, one opened at a time, and its stored channel values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import paged, session, table, text
from pages.parts.json_view import draw_json
from pages.parts.messages import draw_denied, shown_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runmanager.paging import Page
    from runmanager.records import Actor, Blob, CheckpointSummary, CheckpointWrite, JsonText

PAGE_SIZE = 25
BLOB_PAGE_SIZE = 50


@dataclass
class _Opened:
    """The checkpoint that is opened: its run, and its namespace and key."""

    thread_id: str = ""
    checkpoint: tuple[str, str] | None = None


@st.fragment
def draw_checkpoints(actor: Actor, thread_id: str) -> None:
    """Draw the timeline of one run's checkpoints, and the one that is opened."""
    if _draw_denied("Checkpoints", "checkpoints", "checkpoint_writes"):
        return
    # Pages are each run's own: another one may be opened in its place.
    paged.draw(
        f"checkpoint_page-{thread_id}",
        PAGE_SIZE,
        lambda request: session.service().reviewing.checkpoints(actor, thread_id, request),
        partial(_draw_timeline, thread_id),
        heading="Checkpoints",
        nothing="No checkpoints.",
    )
    opened = _opened_of(thread_id)
    if opened is not None:
        _draw_opened(actor, thread_id, *opened)


def _draw_timeline(thread_id: str, page: Page[CheckpointSummary]) -> None:
    st.caption("Tick a row to open it.")
    table.draw_choice(
        page.items,
        [
            table.times("Time", _time, milliseconds=True),
            table.words("Step", lambda one: one.step, width=60, at_right=True),
            table.words("Source", lambda one: one.source, width=80),
            table.words("Node", lambda one: ", ".join(one.nodes), width=200),
            table.numbers("Writes", lambda one: one.writes, width=70),
            table.sizes("Size", lambda one: one.stored_bytes, width=90),
            table.words("Namespace", lambda one: one.namespace, only_if_any=True),
            table.words("Checkpoint", lambda one: one.checkpoint_id),
        ],
        key=f"timeline-{thread_id}",
        most=9,
        id_of=lambda one: (one.namespace, one.key),
        chosen=_opened_of(thread_id),
        choose=partial(_open, thread_id),
    )


def _opened_of(thread_id: str) -> tuple[str, str] | None:
    held = session.slot(_Opened)
    return held.checkpoint if held.thread_id == thread_id else None


def _open(thread_id: str, checkpoint: tuple[str, str] | None) -> None:
    held = session.slot(_Opened)
    held.thread_id, held.checkpoint = thread_id, checkpoint


def _draw_opened(actor: Actor, thread_id: str, namespace: str, key: str) -> None:
    with st.container(border=True, key="opened-checkpoint"):
        with shown_errors():
            opened = session.service().reviewing.checkpoint(actor, thread_id, namespace, key)
        st.text(f"Checkpoint {opened.summary.checkpoint_id or 'without an id'}")
        _draw_document("State", opened.state, opened.state_bytes)
        _draw_document("Metadata", opened.metadata, opened.metadata_bytes)
        _draw_writes(opened.writes, opened.summary.writes)


def _draw_document(heading: str, document: JsonText | None, size: int | None) -> None:
    if document is not None:
        draw_json(heading, document)
        return
    st.markdown(f"##### {heading}")
    st.caption(
        "Nothing is kept." if size is None else f"{text.size(size)}, which are never decoded."
    )


def _draw_writes(writes: Sequence[CheckpointWrite], total: int | None) -> None:
    if total is None:
        st.markdown("##### Writes")
        st.caption("The tables do not say which writes belong to this checkpoint.")
        return
    st.markdown(f"##### Writes · {total:,}")
    if not writes:
        st.caption("No writes.")
        return
    table.draw(
        writes,
        [
            table.words("Node", lambda one: one.node),
            table.words("Channel", lambda one: one.channel),
            table.words("Type", lambda one: one.type),
            table.sizes("Size", lambda one: one.bytes),
            table.words("Task", lambda one: one.task_id),
            table.numbers("No.", lambda one: one.index),
        ],
        most=8,
    )
    if len(writes) < total:
        st.caption(f"The first {len(writes):,} of {total:,}.")


@st.fragment
def draw_blobs(actor: Actor, thread_id: str) -> None:
    """Draw the stored channel values of one run: measured, never decoded."""
    if _draw_denied("Stored values", "checkpoint_blobs"):
        return
    paged.draw(
        f"blob_page-{thread_id}",
        BLOB_PAGE_SIZE,
        lambda request: session.service().reviewing.blobs(actor, thread_id, request),
        _draw_blob_rows,
        heading="Stored values",
    )


def _draw_blob_rows(page: Page[Blob]) -> None:
    table.draw(
        page.items,
        [
            table.words("Channel", lambda one: one.channel),
            table.words("Type", lambda one: one.type),
            table.sizes("Size", lambda one: one.bytes),
            table.words("Version", lambda one: one.version),
            table.words("Namespace", lambda one: one.namespace),
        ],
        most=9,
    )


def _draw_denied(heading: str, *tables: str) -> bool:
    """Say which of these tables may not be read, below the heading; whether there is one."""
    unreadable = session.service().reviewing.unreadable
    denied = [unreadable[table] for table in tables if table in unreadable]
    if denied:
        st.markdown(f"##### {heading}")
        draw_denied(tables[0], " ".join(denied))
    return bool(denied)


def _time(checkpoint: CheckpointSummary) -> datetime | None:
    """The time of a checkpoint as LangGraph writes it (ISO 8601); None where it is not one."""
    try:
        return datetime.fromisoformat(checkpoint.time or "")
    except ValueError:
        return None
