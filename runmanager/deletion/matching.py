"""The plan of a deletion of every run that a filter means: up to a million, none of them held.

Their ids are frozen into the operation's folder while they stream out of the database. Few of them
are then planned as chosen ones are, exactly; of many, what goes is scaled up from some, and each
batch looks again for what must stay.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING

import sqlalchemy as sa

from runmanager.archive.copy_lines import read_field
from runmanager.archive.ids import writing_ids
from runmanager.database import stopped_after
from runmanager.database_copy import copy_out
from runmanager.deletion.estimating import Estimate, estimate
from runmanager.deletion.freezing import Freezing, lines_of
from runmanager.deletion.plan import MAX_RUNS, find_runs, plan_runs, unseen_of
from runmanager.deletion.tallies import kinds_of, tally_of
from runmanager.errors import InvalidRequestError
from runmanager.host.ids import has_id
from runmanager.host.values import Rule
from runmanager.queries.listing.conditions import select_by
from runmanager.queries.listing.names import names_of_users, names_of_workspaces
from runmanager.queries.listing.order import newest_first
from runmanager.queries.run.activity import unseen_activity
from runmanager.records import DeletionPlan, FrozenRun, Tally
from runmanager.text import count

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from runmanager.filters import RunFilter
    from runmanager.folders import Folder
    from runmanager.host.values import Host, Reading
    from runmanager.records import PlannedRun

EVERYTHING = "every run in the database"
SHOWN = 100
FREEZING_SECONDS = 120.0


def plan_matching(
    reading: Reading,
    run_filter: RunFilter,
    *,
    into: Folder,
    until: datetime | None = None,
    excepting: Collection[str] = (),
    every: bool = False,
    include_running: bool = False,
    active_minutes: float = 0.0,
) -> DeletionPlan:
    """What deleting the runs of ``run_filter`` would do; they are frozen into the folder ``into``.

    Those that started after ``until``, by default this moment, and those of ``excepting`` stay;
    those without a time go. Raises InvalidRequestError for an empty filter unless ``every`` run is
    meant, and for more than a million; then nothing is written.
    """
    if not run_filter and not every:
        raise InvalidRequestError(
            "No filter is set, which would mean every run in the database: set one, or say that "
            "all are meant."
        )
    now: datetime = reading.connection.scalar(sa.select(sa.func.now())) or datetime.now(UTC)
    run_filter, until = run_filter.at(now), until or now
    freezing = Freezing(reading.host, until, excepting, include_running)
    statement = lines_of(select_by(reading, run_filter), until)
    # Its time includes ours: the database waits for whoever reads.
    with (
        stopped_after(reading.connection, FREEZING_SECONDS),
        copy_out(reading.connection, statement) as copy,
    ):
        lines = freezing.lines(copy)
        first = _at_most(lines, MAX_RUNS)
        if freezing.runs > MAX_RUNS:
            with writing_ids(into) as ids:
                for some in chain(first, lines):
                    ids.copy(some)
    if freezing.runs > MAX_RUNS:
        plan = _plan_many(reading, freezing, active_minutes)
    else:
        plan = _plan_few(reading, list(chain.from_iterable(first)), freezing, active_minutes)
        with writing_ids(into) as ids:
            for run in plan.runs:
                ids.add(FrozenRun(run.thread_id, run.stamp, run.name, run.is_orphan))
        plan = replace(plan, runs=_first(reading, plan.runs))
    return replace(
        plan,
        sentence=_sentence(reading, run_filter, freezing),
        until=until,
        running=freezing.running,
    )


def _at_most(lines: Iterator[list[bytes]], number: int) -> list[list[bytes]]:
    """As many of ``lines`` as have more than ``number`` runs together; or all that there are."""
    taken: list[list[bytes]] = []
    runs = 0
    for some in lines:
        taken.append(some)
        runs += len(some)
        if runs > number:
            break
    return taken


def _plan_few(
    reading: Reading, lines: Sequence[bytes], freezing: Freezing, active_minutes: float
) -> DeletionPlan:
    """The plan of runs that are all looked at."""
    plan = plan_runs(
        reading.connection,
        reading.host,
        tuple(_text(line.split(b"\t", 1)[0]) for line in lines),
        include_running=freezing.include_running,
        active_minutes=active_minutes,
    )
    return replace(plan, asked=(), matching=len(plan.runs), tally=tally_of(plan.runs))


def _plan_many(reading: Reading, freezing: Freezing, active_minutes: float) -> DeletionPlan:
    """The plan of runs of which only some are looked at."""
    connection, host = reading.connection, reading.host
    sample = [_text(one) for one in freezing.spread.kept]
    found = estimate(connection, host, sample, freezing.runs)
    minutes = 0.0 if freezing.include_running else active_minutes
    newest = find_runs(connection, host, [_text(one) for one in freezing.newest.ids])
    return DeletionPlan(
        asked=(),
        runs=_first(reading, tuple(newest.values())),
        excluded=(),
        missing=(),
        include_running=freezing.include_running,
        tables=found.tables,
        left_behind=found.left_behind,
        kept=found.kept,
        unseen=(*unseen_of(host), *_unseen(host, found, minutes)),
        shape=host.shape,
        matching=freezing.runs,
        tally=_tally(reading, freezing),
        is_about=True,
        looks_on=True,
    )


def _unseen(host: Host, found: Estimate, minutes: float) -> Iterator[str]:
    """What is not known of so many runs, and that each batch looks."""
    yield (
        f"Rows and bytes are scaled up from {found.looked_at:,} of the runs, evenly spread: "
        f"about, ± {found.percent} %."
    )
    if minutes:
        yield (
            f"Which of these runs have written within the last {minutes:g} min is not known yet: "
            "each batch looks before it deletes, and leaves those out."
        )
        yield from unseen_activity(host)
    if host.refers_to_itself or any(link.rule is Rule.HOLDS for link in host.links):
        some = (
            f"{found.held:,} of {found.looked_at:,} that were looked at" if found.held else "none"
        )
        yield (
            "Which of these runs stay because rows that are kept refer to them is not known yet: "
            f"each batch looks ({some} so far)."
        )


def _tally(reading: Reading, freezing: Freezing) -> Tally:
    users, workspaces = freezing.users.most, freezing.workspaces.most
    user_names = names_of_users(reading, [one for one, _runs in users if one is not None])
    names = names_of_workspaces(reading, [one for one, _runs in workspaces if one is not None])
    return Tally(
        statuses=kinds_of(freezing.statuses, reading.host.conventions.statuses),
        users=tuple((one and user_names.get(one, one), runs) for one, runs in users),
        workspaces=tuple((one and names.get(one, one), runs) for one, runs in workspaces),
        first=freezing.times.first,
        last=freezing.times.last,
        undated=freezing.times.undated,
    )


def _first(reading: Reading, runs: Sequence[PlannedRun]) -> tuple[PlannedRun, ...]:
    """The first of some runs in the order of the list."""
    host = reading.host
    known = {run.thread_id: run for run in runs}
    ordered = (
        sa.select(sa.cast(host.runs.c.thread_id, sa.Text))
        .where(has_id(host.runs.c.thread_id, known))
        .order_by(*newest_first(host.runs))
        .limit(SHOWN)
    )
    return tuple(known[one] for one in reading.connection.scalars(ordered))


def _sentence(reading: Reading, run_filter: RunFilter, freezing: Freezing) -> str:
    """Which runs the plan takes, in words."""
    ids = [run_filter.workspace] if isinstance(run_filter.workspace, str) else []
    names = list(names_of_workspaces(reading, ids).values())
    said = run_filter.describe({"workspace": names[0]} if names else None) or EVERYTHING
    if not freezing.excepted:
        return said
    return f"{said}, but not {count(freezing.excepted, 'run')} taken out by hand"


def _text(field: bytes) -> str:
    text = read_field(field)
    assert text is not None  # noqa: S101  a run's id is never NULL
    return text
