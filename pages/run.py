"""The run page: everything the database has about one run, and its deletion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import address, operation, session, styles, table, text, times
from pages.parts.checkpoint_list import draw_blobs, draw_checkpoints
from pages.parts.delete_dialog import ask_to_delete, draw_dialog
from pages.parts.json_view import draw_json
from pages.parts.log_list import draw_logs
from pages.parts.long_text import draw_excerpt
from pages.parts.messages import draw_denied, shown_errors
from pages.parts.run_link import run_urls
from pages.parts.signin import require_admin
from runmanager.errors import RunNotFoundError
from runmanager.text import shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runmanager.records import Actor, Excerpt, RunDetail, RunLink

FACTS_IN_A_ROW = 4
MAX_TAB_TITLE = 80


def draw(actor: Actor, thread_id: str) -> None:
    """Draw the page of the run ``thread_id``."""
    with st.container(key="top"):
        st.page_link(
            "runs.py",
            label="All runs",
            icon=":material/arrow_back:",
            query_params=address.list_query(),
        )
    operation.draw_operation(actor)
    if operation.was_removed(thread_id):
        st.info("This run was deleted.", icon=":material/delete:")
        return
    with shown_errors():
        if not thread_id:
            raise RunNotFoundError("The address names no run: open one from the list.")
        detail = session.service().reviewing.run(actor, thread_id)
    _draw_title(detail)
    _draw_facts(detail)
    _draw_long_facts(actor, detail)
    if detail.error_message is not None and detail.error_message.length:
        with st.container(border=True, key="run-error"):
            st.markdown(":red-badge[Error]")
            _draw_text(actor, thread_id, "error_message", detail.error_message)
    left, right = st.columns(2)
    with left:
        draw_json("Initial data", detail.initial_data)
    with right:
        draw_json("Metadata", detail.metadata)
    _draw_links(detail)
    draw_logs(actor, thread_id)
    draw_checkpoints(actor, thread_id)
    draw_blobs(actor, thread_id)
    _draw_footprint(actor, thread_id)
    draw_dialog(actor)


def _draw_text(actor: Actor, thread_id: str, column: str, excerpt: Excerpt) -> None:
    def load_whole() -> str:
        return session.service().reviewing.whole_text(actor, thread_id, column) or ""

    draw_excerpt(excerpt, load_whole, f"text-{column}")


def _draw_title(detail: RunDetail) -> None:
    run = detail.summary
    st.set_page_config(page_title=f"{shorten(run.title, MAX_TAB_TITLE)} · Run Manager")
    with st.container(key="run-title", horizontal=True, vertical_alignment="center"):
        st.text(run.title)
        styles.draw_status(run.status, run.kind)
    with st.container(horizontal=True, vertical_alignment="center", key="run-id"):
        st.code(run.thread_id, language=None, width="content")
        denied = session.service().deleting.denied
        if denied is None:
            st.button(
                "Delete this run",
                key="delete_run",
                icon=":material/delete:",
                on_click=ask_to_delete,
                args=((run.thread_id,),),
            )
    if denied is not None:
        draw_denied("deletion", denied)
    if not detail.has_row:
        st.warning(
            "This run has no row of its own any more, only traces in other tables."
            + (" Deleting it cleans them up." if denied is None else "")
        )


def _draw_facts(detail: RunDetail) -> None:
    run = detail.summary
    zone = times.viewer_zone()
    facts: list[tuple[str, str | None]] = [
        ("Started", times.moment(run.created_at, zone)),
        ("Completed", times.moment(detail.completed_at, zone)),
        ("Duration", _duration(detail)),
        ("User", run.user),
        ("Workspace", run.workspace),
        ("Model", detail.model),
        *((name, value.text) for _column, name, value in _texts(detail) if not value.is_cut),
    ]
    shown = [(name, value) for name, value in facts if value and value != "—"]
    with st.container(key="facts"):
        for start in range(0, len(shown), FACTS_IN_A_ROW):
            row = shown[start : start + FACTS_IN_A_ROW]
            for (name, value), column in zip(row, st.columns(FACTS_IN_A_ROW), strict=False):
                with column.container(gap=None):
                    st.text(name)
                    st.text(value)


def _draw_long_facts(actor: Actor, detail: RunDetail) -> None:
    """Draw each fact that is too long to stand among the others."""
    for column, name, value in _texts(detail):
        if value.is_cut:
            with st.container(border=True):
                st.text(name)
                _draw_text(actor, detail.summary.thread_id, column, value)


def _texts(detail: RunDetail) -> list[tuple[str, str, Excerpt]]:
    """The column, the name and the text of each fact that may be long."""
    sop = [("sop", "Procedure", detail.sop)] if detail.sop is not None else []
    return [*sop, *((column, column, value) for column, value in detail.others)]


def _duration(detail: RunDetail) -> str | None:
    start, end = detail.summary.created_at, detail.completed_at
    if start is None or end is None or end < start:
        return None
    return text.duration((end - start).total_seconds())


def _draw_links(detail: RunDetail) -> None:
    if detail.parent is not None:
        st.markdown("##### Rerun of")
        _draw_link_list([detail.parent], "parent-link")
    if detail.reruns:
        st.markdown(f"##### Reruns · {detail.reruns_total:,}")
        _draw_link_list(detail.reruns, "rerun-links")
        if len(detail.reruns) < detail.reruns_total:
            st.caption(f"The newest {len(detail.reruns):,} of {detail.reruns_total:,}.")


def _draw_link_list(links: Sequence[RunLink], key: str) -> None:
    table.draw(
        links,
        [
            table.opener(
                key,
                lambda link: "Open" if link.exists else "gone",
                lambda link: link.thread_id,
                address.open_run,
            ),
            table.new_tab(lambda links: run_urls(link.thread_id for link in links)),
            table.words("Run", lambda link: link.title, width=420),
            table.statuses("Status", lambda link: (link.status, link.kind), width=112),
            table.words("ID", lambda link: link.thread_id, width=280),
        ],
        key=key,
        most=8,
    )


def _draw_footprint(actor: Actor, thread_id: str) -> None:
    with shown_errors():
        tables, left_behind = session.service().reviewing.footprint(actor, thread_id)
    st.markdown("##### Rows and bytes")
    table.draw(
        tables,
        [
            table.words("Table", lambda one: one.table),
            table.numbers("Rows", lambda one: one.rows),
            table.sizes("Size as stored", lambda one: one.stored_bytes),
        ],
        width=560,
    )
    unreadable = session.service().reviewing.unreadable
    for number, sentence in enumerate(unreadable.values()):
        draw_denied(f"table-{number}", sentence)
    for left in left_behind:
        if left.denied is None:
            rows = "rows (too many to count)" if left.rows is None else text.count(left.rows, "row")
            st.text(f"Left behind when this run is deleted: {rows} in {left.table}")


page_actor = require_admin()
draw(page_actor, address.opened_run())
