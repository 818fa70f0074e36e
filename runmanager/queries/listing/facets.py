"""The lists behind the filters: users and workspaces that have runs.

DISTINCT over the runs reads them all (0.7 s at ten million). Where the host has an index on the
column, these lists cost a look into it for each entry instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.database import stopped_after
from runmanager.errors import DatabaseTooSlowError, UnknownNameError
from runmanager.filters import ENTRIES
from runmanager.host.ids import same_id
from runmanager.queries.listing.conditions import not_hidden, offered, select_by
from runmanager.queries.listing.loose_scan import distinct_values
from runmanager.queries.listing.order import Direction, segments
from runmanager.queries.listing.totals import count_up_to
from runmanager.records import FilterChoice, FilterChoices

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runmanager.filters import RunFilter
    from runmanager.host.values import Host, Reading

# A user with more runs than this will have some in most workspaces.
NARROWED_TO = 10_000
NARROWING_SECONDS = 0.1
# The page waits for this list, which is read in about three milliseconds.
LOOKED_THROUGH = 5_000


def choices(reading: Reading, key: str, run_filter: RunFilter) -> FilterChoices:
    """The values of the entry ``key`` that runs have, for somebody to choose from.

    They are those of the runs that ``run_filter`` selects by the entries that narrow this one.
    Raises UnknownNameError for an entry whose values are not listed.
    """
    if key not in listed(reading.host):
        raise UnknownNameError(f"There is no list of values for “{key}”.")
    return _CHOICES[key](reading, run_filter.only(ENTRIES[key].narrowed_by))


def listed(host: Host) -> tuple[str, ...]:
    """The keys of the entries whose values are listed."""
    return tuple(key for key in offered(host) if key in _CHOICES)


def usernames(reading: Reading) -> tuple[str, ...]:
    """The names of users that have runs, distinct and sorted by code point."""
    host = reading.host
    name = sa.cast(host.users.c.username, sa.Text)
    if "user_id" not in reading.hints.indexed or reading.hints.has_idle_users:
        with_runs = _distinct(reading, host.runs.c.user_id)
        statement = sa.select(name).join(with_runs, same_id(with_runs.c.id, host.users.c.id))
    else:
        # LATERAL … LIMIT 1 asks the index on user_id once a user.
        one_run = (
            sa.select(sa.literal(1).label("one"))
            .where(same_id(host.runs.c.user_id, host.users.c.id), *not_hidden(reading))
            .limit(1)
            .lateral()
        )
        statement = sa.select(name).select_from(host.users).join(one_run, sa.true())
    rows = reading.connection.scalars(statement.where(name.is_not(None), name != ""))
    return tuple(sorted(set(rows)))


def workspaces(reading: Reading, run_filter: RunFilter) -> tuple[FilterChoice, ...]:
    """The workspaces named by runs of ``run_filter``, by name, those without a name last.

    Those of all runs where ``run_filter`` has too many to look through.
    """
    used = _used_workspaces(reading, run_filter)
    name: sa.ColumnElement[Any] = sa.null()
    workspaces = reading.host.workspaces
    if workspaces is not None:
        name = (
            sa.select(sa.cast(workspaces.c.name, sa.Text))
            .where(same_id(workspaces.c.id, used.c.id))
            .limit(1)
            .scalar_subquery()
        )
    rows = reading.connection.execute(
        sa.select(sa.cast(used.c.id, sa.Text).label("id"), name.label("name"))
    )
    choices = (FilterChoice(row.id, row.name or None) for row in rows)
    return tuple(sorted(choices, key=lambda one: (one.name is None, one.name or "", one.value)))


def models(reading: Reading) -> FilterChoices:
    """The models of the newest 5,000 runs: hosts have no index on them to look through."""
    column = sa.cast(reading.host.runs.c.llm_model, sa.Text)
    names: set[str] = set()
    left = LOOKED_THROUGH
    for segment, _place in segments(reading, Direction.FORWARD):
        newest = (
            sa.select(column.label("model"))
            .where(segment.members, *not_hidden(reading))
            .order_by(segment.first_order())
            .limit(left)
            .subquery("newest")
        )
        counted = sa.select(newest.c.model, sa.func.count().label("runs")).group_by(newest.c.model)
        for row in reading.connection.execute(counted):
            names.update(filter(None, [row.model]))
            left -= row.runs
    found = tuple(FilterChoice(name, name) for name in sorted(names))
    return FilterChoices(found, is_complete=left > 0)


def _used_workspaces(reading: Reading, run_filter: RunFilter) -> sa.FromClause:
    workspace_id = reading.host.runs.c.workspace_id
    selection = select_by(reading, run_filter)
    if not selection.is_everything:
        try:
            with stopped_after(reading.connection, NARROWING_SECONDS):
                count = count_up_to(selection, NARROWED_TO)
        except DatabaseTooSlowError:
            count = NARROWED_TO + 1
        if count <= NARROWED_TO:
            return (
                sa.select(workspace_id.label("id"))
                .where(workspace_id.is_not(None), *selection.where)
                .distinct()
                .subquery("used")
            )
    return _distinct(reading, workspace_id)


def _distinct(reading: Reading, column: sa.Column[Any]) -> sa.FromClause:
    """The distinct values of an id column of ``run_metadata``, as ``id``."""
    if column.name not in reading.hints.indexed:
        some = sa.select(column.label("id")).where(column.is_not(None), *not_hidden(reading))
        return some.distinct().subquery("used")
    used = distinct_values(reading, column)
    if reading.hidden:
        (value,) = used.selected_columns
        shown = sa.select(sa.literal(1)).where(column == value, *not_hidden(reading))
        used = used.where(sa.exists(shown))
    return used.subquery("used")


_CHOICES: Mapping[str, Callable[[Reading, RunFilter], FilterChoices]] = {
    "username": lambda reading, _all: FilterChoices(
        tuple(FilterChoice(name, name) for name in usernames(reading))
    ),
    "workspace": lambda reading, narrowed: FilterChoices(workspaces(reading, narrowed)),
    "model": lambda reading, _all: models(reading),
}
