"""What is known of the host: its tables, which of them go with a run, and its indexes' use.

``Reading`` carries this through one request, with the connection that it is asked on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.conventions import Conventions
from runmanager.errors import MissingGrantError
from runmanager.host.ids import has_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LANGGRAPH_TABLES = ("checkpoint_writes", "checkpoint_blobs", "checkpoints")
LOG_TABLES = ("logs", "thread_logs")


@dataclass(frozen=True)
class TraceTable:
    """A table with rows that belong to a run.

    ``key`` is the column that holds its thread_id; or, where ``through`` is set, the value of that
    column of ``run_metadata``.
    """

    name: str
    table: sa.Table
    key: sa.Column[Any]
    through: sa.Column[Any] | None = None

    def of(self, thread_ids: Iterable[str]) -> sa.ColumnElement[bool]:
        """The condition that a row belongs to one of these runs."""
        if self.through is None:
            return has_id(self.key, thread_ids)
        runs = self.through.table
        return self.key.in_(sa.select(self.through).where(has_id(runs.c.thread_id, thread_ids)))

    @property
    def thread_id(self) -> sa.ColumnElement[str]:
        """The thread_id, as text, of the run that a row belongs to."""
        if self.through is None:
            return sa.cast(self.key, sa.Text)
        runs = self.through.table
        found = sa.select(sa.cast(runs.c.thread_id, sa.Text)).where(self.through == self.key)
        return found.scalar_subquery()


@dataclass(frozen=True)
class Privileges:
    """What the database role lacks, in sentences that have the GRANT to make.

    ``unreadable`` has one for each table that holds rows of runs and may not be read, by its name;
    ``deleting`` says why runs cannot be deleted, None where they can.
    """

    unreadable: Mapping[str, str] = field(default_factory=dict)
    deleting: str | None = None

    @property
    def sentences(self) -> tuple[str, ...]:
        """All of them; () where the role lacks nothing."""
        return (*self.unreadable.values(), *filter(None, [self.deleting]))


@dataclass(frozen=True)
class Host:
    """The tables of the host that Run Manager works with.

    ``traces`` go with a run, in the order in which they can be deleted; ``left_behind`` hold rows
    of runs too and are never touched. ``refers_to_itself`` says that a run's row can hold another's
    in place; ``cascades`` are the pairs of columns, a rerun's and its parent's, by which deleting a
    parent's row would make the database delete the rerun's as well.
    """

    runs: sa.Table
    users: sa.Table
    workspaces: sa.Table | None
    traces: tuple[TraceTable, ...]
    left_behind: tuple[TraceTable, ...]
    logs: tuple[TraceTable, ...]
    cascades: tuple[tuple[str, str], ...] = ()
    refers_to_itself: bool = False
    privileges: Privileges = field(default_factory=Privileges)
    conventions: Conventions = field(default_factory=Conventions)

    def trace(self, name: str) -> sa.Table | None:
        """The trace table called ``name``, or None where the host has none.

        Raises MissingGrantError for one that the role may not read.
        """
        self.require_readable(name)
        return next((trace.table for trace in self.traces if trace.name == name), None)

    @property
    def readable_traces(self) -> tuple[TraceTable, ...]:
        """The trace tables that the role may read."""
        return tuple(one for one in self.traces if one.name not in self.privileges.unreadable)

    def require_readable(self, name: str) -> None:
        """Raises MissingGrantError where the role may not read the table called ``name``."""
        if name in self.privileges.unreadable:
            raise MissingGrantError(self.privileges.unreadable[name])


@dataclass(frozen=True)
class Hints:
    """What the indexes on ``run_metadata`` are good for when it is read.

    ``indexed`` are the columns that an index begins with, ``ordered`` those behind which one has
    the order of the list. ``nulls_last`` is the form in which that order is asked for. With
    ``has_trigrams`` a part of an id or a name can be looked up. With ``has_idle_users`` few of the
    users have runs at all.
    """

    indexed: frozenset[str] = frozenset()
    ordered: frozenset[str] = frozenset()
    nulls_last: bool = False
    has_trigrams: bool = False
    has_idle_users: bool = False


@dataclass(frozen=True)
class Reading:
    """One transaction in which runs are read.

    ``hints`` are those of the database that is read, the host's own or its replica. ``hidden`` are
    the ids of runs that are deleted, though a replica may still show them.
    """

    connection: sa.Connection
    host: Host
    hints: Hints = field(default_factory=Hints)
    hidden: frozenset[str] = frozenset()


def is_time(column: sa.Column[Any]) -> bool:
    """Whether the column holds timestamps, with or without a zone."""
    return str(column.info["type"]).startswith("timestamp")


def is_surely_time(column: sa.Column[Any]) -> bool:
    """Whether each value of the column is read as a time: timestamps, and days."""
    return is_time(column) or column.info["type"] == "date"


def may_be_time(column: sa.Column[Any]) -> bool:
    """Whether the column holds timestamps, days, or texts that may say a time in ISO 8601."""
    return is_surely_time(column) or isinstance(column.type, sa.Text)
