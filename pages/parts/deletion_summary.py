"""What a plan of a deletion says: in one sentence, counted up, run by run, and table by table."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import table, text, times
from runmanager.records import StatusKind, Tally
from runmanager.text import shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runmanager.records import DeletionPlan, HeldRun, PlannedRun, UnknownStatus

# How a plan calls what a filter without an entry takes.
EVERY_RUN = "every run"
SHOWN_STATUSES = 5
COUNTED = 6
LINES = 8
MAX_WORD = 60
MAX_STATUS = 100


def draw_summary(plan: DeletionPlan) -> None:
    """Draw what goes, and who and what it belongs to."""
    about = "about " if plan.is_about else ""
    # How exact an estimate is stands in one of the plan's own sentences.
    exact = re.search(r"± \S+ %", " ".join(plan.unseen)) if plan.is_about else None
    within = f" ({exact[0]})" if exact else ""
    st.markdown(
        f"**{text.count(plan.total, 'run')}** and every trace of "
        f"{'it' if plan.total == 1 else 'them'} will be deleted: "
        f"{about}**{text.count(plan.rows, 'row')}**, {text.size(plan.stored_bytes)}{within}."
    )
    _draw_tally(plan)
    orphans = sum(run.is_orphan for run in plan.runs)
    if orphans:
        st.info(f"{text.count(orphans, 'run')} left only orphan rows: those are cleaned up.")
    if plan.missing:
        is_one = len(plan.missing) == 1
        st.warning(
            f"{text.count(len(plan.missing), 'selected run')} {'is' if is_one else 'are'} no "
            f"longer in the database: somebody else deleted {'it' if is_one else 'them'}."
        )


def takes_every_run(plan: DeletionPlan) -> bool:
    """Whether it is by a filter that leaves nothing out."""
    return plan.matching is not None and plan.sentence.startswith(EVERY_RUN)


def running_sentences(plan: DeletionPlan) -> tuple[str, ...]:
    """Which runs are left out because they run, by their status or by what they write."""
    sentences = []
    running = max(len(plan.excluded), plan.running)
    if running:
        are = "is" if running == 1 else "are"
        sentences.append(f"{text.count(running, 'run')} still running {are} left out.")
    if plan.active:
        one = len(plan.active) == 1
        sentences.append(
            f"{text.count(len(plan.active), 'run')} wrote within the last minutes and "
            f"{'is' if one else 'are'} left out."
        )
    if plan.looks_on and not plan.include_running:
        sentences.append("Runs that write in these minutes are left out as it goes on.")
    return tuple(sentences)


def running_included(plan: DeletionPlan) -> int:
    """How many of the runs that go still run."""
    if plan.tally is None:
        return sum(run.is_running for run in plan.runs)
    kinds = ((kind, number) for _word, kind, number in plan.tally.statuses)
    return sum(number for kind, number in kinds if kind is StatusKind.RUNNING)


def runs_label(plan: DeletionPlan) -> str:
    """What the list of the runs that go is called: not all of them may be in it."""
    if len(plan.runs) < plan.total:
        return f"The first {text.count(len(plan.runs), 'run')}"
    return f"All {text.count(plan.total, 'run')}" if plan.total > 1 else "The run"


def _draw_tally(plan: DeletionPlan) -> None:
    """The host's words: text, never Markdown."""
    tally = plan.tally or _tally_of([run for run in plan.runs if not run.is_orphan])
    if tally is None and not plan.sentence:
        return
    with st.container(key="tally", gap=None):
        if plan.sentence:
            until = ""
            if plan.until is not None:
                until = f", started by {times.moment(plan.until, times.viewer_zone())}"
            st.text(f"Runs: {plan.sentence}{until}")
        if tally is not None:
            statuses = [(word, number) for word, _kind, number in tally.statuses]
            st.text(f"Status: {_counted(statuses, 'no status')}")
            st.text(f"Users: {_counted(tally.users, 'no user')}")
            st.text(f"Workspaces: {_counted(tally.workspaces, 'no workspace')}")
            st.text(_span(tally))


def _tally_of(runs: Sequence[PlannedRun]) -> Tally | None:
    """The runs of a plan counted up; None where there are none."""
    if not runs:
        return None
    moments = [run.created_at for run in runs if run.created_at is not None]
    return Tally(
        statuses=tuple(
            (*word, number)
            for word, number in Counter((run.status, run.kind) for run in runs).most_common()
        ),
        users=tuple(Counter(run.user for run in runs).most_common()),
        workspaces=tuple(Counter(run.workspace for run in runs).most_common()),
        first=min(moments, default=None),
        last=max(moments, default=None),
        undated=len(runs) - len(moments),
    )


def draw_runs(plan: DeletionPlan) -> None:
    """Draw every run that goes."""
    _draw_runs(plan.runs)


def draw_left_out(plan: DeletionPlan) -> None:
    """Draw the runs that stay, with the reason."""
    running = max(len(plan.excluded), plan.running)
    if not running and not plan.active and not plan.held:
        st.text("No run is left out.")
    if running:
        of = f", {len(plan.excluded):,} of {running:,}" if running > len(plan.excluded) else ""
        st.text(f"They still run, or are about to{of}:")
        _draw_runs(plan.excluded)
    if plan.active:
        st.text("They have written within the last minutes:")
        _draw_runs(plan.active)
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


def _counted(words: Sequence[tuple[str | None, int]], without: str) -> str:
    """How many runs have each word, most first, such as "failed 53, error 12 and 2 more"."""
    counter: Counter[str] = Counter()
    for word, number in words:
        counter[word or without] += number
    counted = counter.most_common()
    said = [f"{shorten(one, MAX_WORD)} {number:,}" for one, number in counted[:COUNTED]]
    further = counted[COUNTED:]
    if further:
        said.append(f"{len(further):,} more with {sum(number for _one, number in further):,}")
    return ", ".join(said)


def _span(tally: Tally) -> str:
    """From when to when the runs started."""
    if tally.first is None or tally.last is None:
        return "Started: no time is known"
    zone = times.viewer_zone()
    first, last = times.moment(tally.first, zone), times.moment(tally.last, zone)
    said = f"Started: {first}" if first == last else f"Started: {first} to {last}"
    return said if not tally.undated else f"{said}, and {tally.undated:,} without a time"


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
