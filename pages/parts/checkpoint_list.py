"""A run's checkpoints as a timeline, one opened at a time, and its stored channel values."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from pages.parts import session, text
from pages.parts.json_view import draw_json
from pages.parts.messages import shown_errors
from pages.parts.run_grid import viewer_zone
from runmanager.paging import PageRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runmanager.records import Actor, Blob, CheckpointSummary, CheckpointWrite

PAGE_SIZE = 25
BLOB_PAGE_SIZE = 50
_WITHOUT_NAMESPACE = ("Time", "Step", "Source", "Node", "Writes", "Size", "Checkpoint")


@st.fragment
def draw_checkpoints(actor: Actor, thread_id: str) -> None:
    """Draw the timeline of one run's checkpoints, and the one that is opened."""
    # Pages are each run's own: another one may be opened in its place.
    page_key = f"checkpoint_page-{thread_id}"
    number = session.value(page_key)
    request = PageRequest(number if isinstance(number, int) else 1, PAGE_SIZE)
    with shown_errors():
        page = session.service().reviewing.checkpoints(actor, thread_id, request)
    st.markdown(f"##### Checkpoints · {page.total:,}")
    if not page.items:
        st.caption("No checkpoints.")
        return
    _draw_timeline(page.items, thread_id, page.number)
    if page.pages > 1:
        session.seed(page_key, page.number)
        st.pagination(page.pages, key=page_key)
    opened = session.state().open_checkpoint
    if opened is not None and opened[0] == thread_id:
        _draw_opened(actor, *opened)


def _draw_timeline(checkpoints: Sequence[CheckpointSummary], thread_id: str, number: int) -> None:
    def chosen() -> None:
        rows = session.chosen_rows(key)
        if rows and rows[0] < len(checkpoints):
            one = checkpoints[rows[0]]
            session.state().open_checkpoint = (thread_id, one.namespace, one.checkpoint_id)
        else:
            session.state().open_checkpoint = None

    key = f"timeline-{thread_id}-{number}"
    st.caption("Tick a row to open it.")
    st.dataframe(
        pd.DataFrame(
            {
                "Time": pd.Series(
                    [_time(one.time) for one in checkpoints], dtype="datetime64[us, UTC]"
                ),
                "Step": pd.Series([one.step for one in checkpoints], dtype="str"),
                "Source": pd.Series([one.source for one in checkpoints], dtype="str"),
                "Node": pd.Series(
                    [", ".join(one.nodes) or None for one in checkpoints], dtype="str"
                ),
                "Writes": [one.writes for one in checkpoints],
                "Size": pd.Series(
                    [text.size(one.stored_bytes) for one in checkpoints], dtype="str"
                ),
                "Namespace": pd.Series([one.namespace or None for one in checkpoints], dtype="str"),
                "Checkpoint": pd.Series([one.checkpoint_id for one in checkpoints], dtype="str"),
            }
        ),
        key=key,
        hide_index=True,
        column_order=None if any(one.namespace for one in checkpoints) else _WITHOUT_NAMESPACE,
        height=min(9, len(checkpoints) + 1) * 35 + 3,
        placeholder="—",
        on_select=chosen,
        selection_mode="single-row",
        column_config={
            "Time": st.column_config.DatetimeColumn(
                format="D MMM YYYY, HH:mm:ss.SSS", timezone=viewer_zone().key, width=190
            ),
            "Step": st.column_config.TextColumn(width=60, alignment="right"),
            "Source": st.column_config.TextColumn(width=80),
            "Node": st.column_config.TextColumn(width=200),
            "Writes": st.column_config.NumberColumn(width=70),
            "Size": st.column_config.TextColumn(width=90, alignment="right"),
        },
    )


def _draw_opened(actor: Actor, thread_id: str, namespace: str, checkpoint_id: str) -> None:
    with st.container(border=True, key="opened-checkpoint"):
        with shown_errors():
            opened = session.service().reviewing.checkpoint(
                actor, thread_id, namespace, checkpoint_id
            )
        st.text(f"Checkpoint {checkpoint_id}")
        draw_json("State", opened.state)
        draw_json("Metadata", opened.metadata)
        _draw_writes(opened.writes)


def _draw_writes(writes: Sequence[CheckpointWrite]) -> None:
    st.markdown(f"##### Writes · {len(writes):,}")
    if not writes:
        st.caption("No writes.")
        return
    st.dataframe(
        pd.DataFrame(
            {
                "Node": pd.Series([one.node for one in writes], dtype="str"),
                "Channel": pd.Series([one.channel for one in writes], dtype="str"),
                "Type": pd.Series([one.type for one in writes], dtype="str"),
                "Size": pd.Series([text.size(one.bytes) for one in writes], dtype="str"),
                "Task": pd.Series([one.task_id for one in writes], dtype="str"),
                "No.": [one.index for one in writes],
            }
        ),
        hide_index=True,
        height=min(8, len(writes) + 1) * 35 + 3,
        placeholder="—",
        column_config={"Size": st.column_config.TextColumn(alignment="right")},
    )


@st.fragment
def draw_blobs(actor: Actor, thread_id: str) -> None:
    """Draw the stored channel values of one run: measured, never decoded."""
    page_key = f"blob_page-{thread_id}"
    number = session.value(page_key)
    request = PageRequest(number if isinstance(number, int) else 1, BLOB_PAGE_SIZE)
    with shown_errors():
        page = session.service().reviewing.blobs(actor, thread_id, request)
    if not page.items:
        return
    st.markdown(f"##### Stored values · {page.total:,}")
    _draw_blob_rows(page.items)
    if page.pages > 1:
        session.seed(page_key, page.number)
        st.pagination(page.pages, key=page_key)


def _draw_blob_rows(blobs: Sequence[Blob]) -> None:
    st.dataframe(
        pd.DataFrame(
            {
                "Channel": pd.Series([one.channel for one in blobs], dtype="str"),
                "Type": pd.Series([one.type for one in blobs], dtype="str"),
                "Size": pd.Series([text.size(one.bytes) for one in blobs], dtype="str"),
                "Version": pd.Series([one.version for one in blobs], dtype="str"),
                "Namespace": pd.Series([one.namespace or None for one in blobs], dtype="str"),
            }
        ),
        hide_index=True,
        height=min(9, len(blobs) + 1) * 35 + 3,
        placeholder="—",
        column_config={"Size": st.column_config.TextColumn(alignment="right")},
    )


def _time(written: str | None) -> datetime | None:
    """The time of a checkpoint as LangGraph writes it (ISO 8601); None where it is not one."""
    try:
        return datetime.fromisoformat(written or "")
    except ValueError:
        return None
