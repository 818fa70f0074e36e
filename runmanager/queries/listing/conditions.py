"""The one place where a RunFilter becomes SQL: list, count, facets and all that follow use it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.sql import visitors

from runmanager.host.ids import has_id, same_id, storable

if TYPE_CHECKING:
    from runmanager.filters import RunFilter
    from runmanager.host.values import Host, Reading

# A trigram index has no whole trigram to look for in less, and reads all of itself.
_HAS_TRIGRAM = re.compile(r"[^\W_]{3}")


@dataclass(frozen=True)
class Selection:
    """The runs of one filter, as conditions on ``run_metadata``.

    ``equalities`` compare an id, which a host's index can find; ``others`` have to be tried on
    each row. ``search`` is the text searched for, "" for none. ``by_one`` is the column where one
    id is all that is asked for.
    """

    reading: Reading
    equalities: tuple[sa.ColumnElement[bool], ...] = ()
    others: tuple[sa.ColumnElement[bool], ...] = ()
    search: str = ""
    by_one: str | None = None

    @property
    def connection(self) -> sa.Connection:
        """Where they are read."""
        return self.reading.connection

    @property
    def host(self) -> Host:
        """Whose they are."""
        return self.reading.host

    @property
    def where(self) -> tuple[sa.ColumnElement[bool], ...]:
        """Every condition."""
        return self.equalities + self.others + not_hidden(self.reading)

    @property
    def is_everything(self) -> bool:
        """Whether no run is left out."""
        return not (self.equalities or self.others)

    @property
    def is_in_order(self) -> bool:
        """Whether an index of the host has exactly these runs in the order of the list."""
        return self.is_everything or self.by_one in self.reading.hints.ordered

    @property
    def has_trigram(self) -> bool:
        """Whether there is text enough in the search for a trigram index."""
        return _HAS_TRIGRAM.search(self.search) is not None

    def on(self, rows: sa.FromClause) -> list[sa.ColumnElement[bool]]:
        """Every condition, asked of ``rows`` that were taken from ``run_metadata``."""

        def moved(element: Any, **_: Any) -> Any:
            is_own = isinstance(element, sa.Column) and element.table is self.host.runs
            return rows.c[element.name] if is_own else None

        return [visitors.replacement_traverse(one, {}, moved) for one in self.where]

    def only_equalities(self) -> Selection:
        """The runs of these ids, whatever else is asked of them."""
        return replace(self, others=(), search="")


def select_by(reading: Reading, run_filter: RunFilter) -> Selection:
    """The selection of exactly the runs of ``run_filter``.

    The database is asked for the ids behind a username: a join inside the statement was
    measured to hide the index on ``user_id``.
    """
    host, runs = reading.host, reading.host.runs.c
    equalities: list[sa.ColumnElement[bool]] = []
    others: list[sa.ColumnElement[bool]] = []
    by: list[str] = []
    if run_filter.username is not None:
        ids = user_ids(reading, run_filter.username)
        equalities.append(has_id(runs.user_id, ids))
        by += ["user_id"] * len(ids)
    if run_filter.workspace is not None:
        equalities.append(has_id(runs.workspace_id, [run_filter.workspace]))
        by.append("workspace_id")
    if run_filter.without_user:
        others.append(~_exists_in(host.users, runs.user_id))
    if run_filter.without_workspace:
        others.append(
            runs.workspace_id.is_(None)
            if host.workspaces is None
            else ~_exists_in(host.workspaces, runs.workspace_id)
        )
    if run_filter.search:
        others.append(_matches(host, run_filter.search))
    by_one = by[0] if len(by) == len(equalities) == 1 and not others else None
    return Selection(reading, tuple(equalities), tuple(others), run_filter.search, by_one)


def not_hidden(reading: Reading) -> tuple[sa.ColumnElement[bool], ...]:
    """The conditions that leave out runs which only a lagging replica still has; mostly none."""
    if not reading.hidden:
        return ()
    return (~has_id(reading.host.runs.c.thread_id, reading.hidden),)


def user_ids(reading: Reading, username: str) -> list[str]:
    """The ids, as strings, of the users with exactly this name; [] when there is none."""
    if not storable(username):
        return []
    users = reading.host.users.c
    return list(
        reading.connection.scalars(
            sa.select(sa.cast(users.id, sa.Text)).where(
                sa.cast(users.username, sa.Text) == username
            )
        )
    )


def _matches(host: Host, search: str) -> sa.ColumnElement[bool]:
    if not storable(search):
        return sa.false()
    runs = host.runs.c
    # autoescape makes %, _ and the escape character mean themselves.
    return sa.or_(
        sa.cast(runs.thread_id, sa.Text).icontains(search, autoescape=True),
        sa.cast(runs.run_name, sa.Text).icontains(search, autoescape=True),
    )


def _exists_in(table: sa.Table, id_column: sa.Column[Any]) -> sa.ColumnElement[bool]:
    return sa.exists(sa.select(sa.literal(1)).where(same_id(table.c.id, id_column)))
