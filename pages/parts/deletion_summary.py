"""What a plan of a deletion says: in one sentence, counted up, run by run, and table by table."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import table, text, times
from runmanager.text import shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from runmanager.records import DeletionPlan, HeldRun, PlannedRun, UnknownStatus

SHOWN_STATUSES = 5
COUNTED = 6
LINES = 8
MAX_WORD = 60
MAX_STATUS = 100


def draw_summary(plan: DeletionPlan) -> None:
    """Draw what goes, and who and what it belongs to."""
    st.markdown(
        f"**{text.count(len(plan.runs), 'run')}** and every trace of "
        f"{'it' if len(plan.runs) == 1 else 'them'} will be deleted: "
        f"**{text.count(plan.rows, 'row')}**, {text.size(plan.stored_bytes)}. "
        "This cannot be undone."
    )
    rows = [run for run in plan.runs if not run.is_orphan]
    if rows:
        with st.container(key="tally", gap=None):
            # The host's words: text, never Markdown.
            st.text(f"Status: {_tally(rows, lambda run: run.status, 'no status')}")
            st.text(f"Users: {_tally(rows, lambda run: run.user, 'no user')}")
            st.text(f"Workspaces: {_tally(rows, lambda run: run.workspace, 'no workspace')}")
            st.text(_span(rows))
    orphans = len(plan.runs) - len(rows)
    if orphans:
        st.info(f"{text.count(orphans, 'run')} left only orphan rows: those are cleaned up.")
    if plan.missing:
        is_one = len(plan.missing) == 1
        st.warning(
            f"{text.count(len(plan.missing), 'selected run')} {'is' if is_one else 'are'} no "
            f"longer in the database: somebody else deleted {'it' if is_one else 'them'}."
        )


def draw_runs(plan: DeletionPlan) -> None:
    """Draw every run that goes."""
    _draw_runs(plan.runs)


def draw_left_out(plan: DeletionPlan) -> None:
    """Draw the runs that stay, with the reason."""
    if not plan.excluded and not plan.held:
        st.text("No run is left out.")
    if plan.excluded:
        st.text("They still run, or are about to:")
        _draw_runs(plan.excluded)
    if plan.held:
        st.text("They are held by rows that the application keeps:")
        _draw_held(plan.held)


def draw_tables(plan: DeletionPlan) -> None:
    """Draw what goes from each table."""
    table.draw(
        plan.tables,
        [
            table.words("Table", lambda one: one.table, width=320),
            table.numbers("Rows", lambda one: one.rows, width=110),
            table.sizes("Size", lambda one: one.stored_bytes, width=150),
        ],
        row_height=table.SMALL_ROW,
        most=LINES,
    )
    st.caption(
        "Sizes are as stored. The space is reused inside the tables; it returns to the disk only "
        "by VACUUM FULL."
    )


def kept_sentences(plan: DeletionPlan) -> tuple[str, ...]:
    """What stays of the runs that go, and what cannot be known beforehand."""
    kept = (
        one.sentence if one.denied is None else f"{one.sentence} {one.denied}" for one in plan.kept
    )
    behind = []
    for left in plan.left_behind:
        if left.denied is not None:
            behind.append(f"Left behind: what is in {left.table}, uncounted. {left.denied}")
            continue
        rows = "rows (too many to count)" if left.rows is None else text.count(left.rows, "row")
        behind.append(f"Left behind: {rows} in {left.table}")
    return (*kept, *plan.unseen, *behind)


def unknown_sentences(statuses: Sequence[UnknownStatus]) -> tuple[str, ...]:
    """Which statuses may mean that a run still runs."""
    further = statuses[SHOWN_STATUSES:]
    sentences = tuple(map(_about_unknown, statuses[:SHOWN_STATUSES]))
    if not further:
        return sentences
    words = text.count(len(further), "more status", "more statuses")
    runs = text.count(sum(one.runs for one in further), "run")
    return (*sentences, f"The same goes for {words} of {runs}.")


def _about_unknown(unknown: UnknownStatus) -> str:
    has, are_deleted, still_run = "have", "they are deleted as if they had ended", "they still run"
    if unknown.runs == 1:
        has, are_deleted, still_run = "has", "it is deleted as if it had ended", "it still runs"
    runs = text.count(unknown.runs, "run")
    word = shorten(unknown.status or "", MAX_STATUS)
    if not word:
        return f"{runs} {has} no status: {are_deleted}."
    return (
        f"{runs} {has} the status “{word}”, which Run Manager does not know: {are_deleted}. "
        f"If it means that {still_run}, add it to RUNMANAGER_RUNNING_WORDS."
    )


def _tally(
    runs: Iterable[PlannedRun], word: Callable[[PlannedRun], str | None], without: str
) -> str:
    """How many runs have each word, most first, such as "failed 53, error 12 and 2 more"."""
    counted = Counter(word(run) or without for run in runs).most_common()
    said = [f"{shorten(one, MAX_WORD)} {number:,}" for one, number in counted[:COUNTED]]
    further = counted[COUNTED:]
    if further:
        said.append(f"{len(further):,} more with {sum(number for _one, number in further):,}")
    return ", ".join(said)


def _span(runs: Iterable[PlannedRun]) -> str:
    """From when to when the runs started."""
    known = [run.created_at for run in runs]
    moments = [moment for moment in known if moment is not None]
    without = len(known) - len(moments)
    if not moments:
        return "Started: no time is known"
    zone = times.viewer_zone()
    first, last = (times.moment(one, zone) for one in (min(moments), max(moments)))
    said = f"Started: {first}" if first == last else f"Started: {first} to {last}"
    return said if not without else f"{said}, and {without:,} without a time"


def _draw_runs(runs: Sequence[PlannedRun]) -> None:
    table.draw(
        runs,
        [
            table.words("Run", lambda run: shorten(run.title, 200), width=230),
            table.statuses("Status", lambda run: (run.status, run.kind), width=112),
            table.times("Started", lambda run: run.created_at),
            table.words("User", lambda run: run.user, width=90),
            table.words("Workspace", lambda run: run.workspace, width=110),
            table.words("ID", lambda run: run.thread_id, width=120),
        ],
        row_height=table.SMALL_ROW,
        most=LINES,
    )


def _draw_held(held: Sequence[HeldRun]) -> None:
    table.draw(
        held,
        [
            table.words("Run", lambda one: shorten(one.run.title, 200), width=200),
            table.words("Reason", lambda one: one.reason, width=520),
            table.words("ID", lambda one: one.thread_id, width=120),
        ],
        row_height=table.SMALL_ROW,
        most=LINES,
    )
    for reason in dict.fromkeys(one.reason for one in held):
        st.text(reason)
