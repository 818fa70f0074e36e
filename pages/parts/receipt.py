"""The receipt of an operation: what it did, run by run and table by table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import paged, session, styles, table, text
from pages.parts.delete_dialog import ask_to_delete
from runmanager.paging import Page
from runmanager.records import DeletionReceipt
from runmanager.text import shorten

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runmanager.paging import PageRequest
    from runmanager.records import LeftBehind, OperationView, Receipt

SIZE = 100
LINES = 16
PAGER = "receipt_page"
FAILED, LEFT_OUT = "✕ failed", "‖ left out"
_LOOKS = {FAILED: "failed", LEFT_OUT: "paused"}


@dataclass(frozen=True)
class Line:
    """What became of one run."""

    thread_id: str
    title: str
    became: str
    said: str


@dataclass
class _Chosen:
    """The runs of one operation that are ticked, to be restored."""

    operation_id: str = ""
    ids: dict[str, None] = field(default_factory=dict)


def chosen(operation_id: str) -> tuple[str, ...]:
    """The runs of the operation that are ticked."""
    held = session.slot(_Chosen)
    return tuple(held.ids) if held.operation_id == operation_id else ()


def draw(view: OperationView, receipt: Receipt) -> None:
    """Draw the receipt."""
    held = session.slot(_Chosen)
    if held.operation_id != view.operation_id:
        held.operation_id, held.ids = view.operation_id, {}
        session.seed(PAGER, 1)
    _draw_headline(receipt)
    if isinstance(receipt, DeletionReceipt):
        _draw_came_back(receipt)
    stays = _stays(receipt)
    lines = tuple(_lines(receipt))
    runs, tables, rest = st.tabs(
        [
            f"Runs {_total(receipt):,}",
            "Tables",
            f"Kept and left behind {len(stays):,}" if stays else "Kept and left behind",
        ],
        key="receipt-tabs",
        on_change="rerun",
    )
    if runs.open:
        with runs:
            _draw_lines(receipt, lines)
    if tables.open:
        with tables:
            _draw_tables(receipt)
    if rest.open:
        with rest:
            for sentence in stays or ("Nothing of these runs stays.",):
                st.text(sentence)


def _draw_headline(receipt: Receipt) -> None:
    icon = ":red[:material/error:]" if receipt.failed_count else ":green[:material/check_circle:]"
    said = [f"**{text.count(receipt.done_count, 'run')} {receipt.kind.done}**"]
    if receipt.failed_count:
        said.append(f"**{receipt.failed_count:,} failed**")
    left_out = _left_out(receipt)
    if left_out:
        said.append(f"{left_out:,} left out")
    if receipt.was_stopped:
        said.append("stopped")
    size = "" if receipt.stored_bytes is None else f", {text.size(receipt.stored_bytes)}"
    took = f"{text.count(receipt.rows, 'row')}{size} in {text.duration(receipt.seconds)}"
    with st.container(key="receipt-headline"):
        st.markdown(f"{icon} {', '.join(said)} · {took}")


def _draw_came_back(receipt: DeletionReceipt) -> None:
    """Say whether anything is left: counted after the last transaction was past."""
    came_back = receipt.came_back
    if came_back is None:
        with st.container(border=True, key="came-back", gap="xsmall"):
            st.markdown(":orange-badge[could not look] **Whether nothing is left is not known.**")
            st.text("Whether a worker has written more since then could not be looked at.")
        return
    rows = sum(one.rows for one in came_back)
    if not rows:
        if receipt.done_count:
            st.text("Looked at again after the last one: nothing of these runs is left.")
        return
    runs = len(receipt.came_back_runs)
    with st.container(border=True, key="came-back", gap="xsmall"):
        st.markdown(
            f":red-badge[came back] **{text.count(runs, 'run')}, {text.count(rows, 'row')}, still "
            "written by a worker.**"
        )
        st.text(text.listed(f"{one.rows:,} {one.table}" for one in came_back if one.rows))
        if receipt.came_back_runs:
            st.button(
                f"Delete {text.count(runs, 'run')} that came back",
                key="delete_came_back",
                icon=":material/delete:",
                on_click=ask_to_delete,
                args=(receipt.came_back_runs,),
            )


def _left_out(receipt: Receipt) -> int:
    if not isinstance(receipt, DeletionReceipt):
        return 0
    return max(receipt.left_out_total, len(receipt.left_out))


def _total(receipt: Receipt) -> int:
    return receipt.done_count + receipt.failed_count + _left_out(receipt)


def _lines(receipt: Receipt) -> Iterable[Line]:
    """What became of each run, what somebody has to look at first."""
    for failed in receipt.failed:
        yield Line(failed.thread_id, failed.title, FAILED, failed.error)
    if isinstance(receipt, DeletionReceipt):
        for run in receipt.left_out:
            yield Line(run.thread_id, run.title, LEFT_OUT, run.error)
    became = f"✓ {receipt.kind.done}"
    for done in receipt.done:
        rows = text.listed(f"{number:,} {name}" for name, number in done.rows if number)
        orphan = "orphan rows only: " if done.was_orphan else ""
        yield Line(done.thread_id, done.title, became, f"{orphan}{rows}")


def _draw_lines(receipt: Receipt, lines: tuple[Line, ...]) -> None:
    def read(request: PageRequest) -> Page[Line]:
        within = request.within(len(lines))
        part = lines[within.offset : within.offset + within.size]
        return Page(part, len(lines), within.number, within.size)

    def draw_rows(page: Page[Line]) -> None:
        table.draw_choices(
            page.items,
            [
                table.pills("Became", lambda one: one.became, _colors, width=104),
                table.words("Run", lambda one: shorten(one.title, 200), width=260),
                table.words("Rows or reason", lambda one: one.said, width=560),
                table.words("ID", lambda one: one.thread_id, width=280),
            ],
            key="receipt-runs",
            most=LINES,
            id_of=lambda one: one.thread_id,
            chosen=session.slot(_Chosen).ids,
            choose=_choose,
        )

    paged.draw(PAGER, SIZE, read, draw_rows, nothing="No run was touched.")
    if len(lines) < _total(receipt):
        st.caption(
            f"{len(lines):,} of {text.count(_total(receipt), 'run')} are listed: the receipt as "
            "JSON or HTML has all of them."
        )


def _choose(shown: tuple[str, ...], ticked: tuple[str, ...]) -> None:
    held = session.slot(_Chosen)
    rest = {one: None for one in held.ids if one not in set(shown)}
    held.ids = rest | dict.fromkeys(ticked)


def _colors(lines: Iterable[Line]) -> dict[str, str]:
    is_dark = styles.is_dark()
    return {
        one.became: styles.LOOKS[_LOOKS.get(one.became, "completed")].tints[is_dark]
        for one in lines
    }


def _draw_tables(receipt: Receipt) -> None:
    table.draw(
        [one for one in receipt.tables if one[1]],
        [
            table.words("Table", lambda one: one[0], width=320),
            table.numbers(f"Rows {receipt.kind.done}", lambda one: one[1], width=160),
        ],
        row_height=table.SMALL_ROW,
        width=480,
    )


def _stays(receipt: Receipt) -> tuple[str, ...]:
    """What was kept, taken along, or left behind, each a sentence."""
    if not isinstance(receipt, DeletionReceipt):
        return receipt.remarks
    orphans = receipt.orphans
    if orphans is None:
        orphans = sum(run.was_orphan for run in receipt.done)
    return (
        *(
            (f"{text.count(orphans, 'run')} had orphan rows only: they were cleaned up.",)
            if orphans
            else ()
        ),
        *(one.sentence for one in receipt.kept),
        *(
            f"{text.count(rows, 'more row')} of “{name}” went: a trigger of the host deleted them, "
            "or they were added at that moment."
            for name, rows in receipt.also_gone
        ),
        *map(_about_left_behind, receipt.left_behind),
    )


def _about_left_behind(left: LeftBehind) -> str:
    if left.denied is not None:
        return f"Left behind: what is in {left.table}, uncounted. {left.denied}"
    rows = "rows (too many to count)" if left.rows is None else text.count(left.rows, "row")
    return f"Left behind: {rows} in {left.table}"
