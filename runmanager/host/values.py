"""What is known of the host: its tables, which of them go with a run, and its indexes' use.

``Reading`` carries this through one request, with the connection that it is asked on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.conventions import Conventions
from runmanager.errors import MissingGrantError
from runmanager.host.ids import has_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LANGGRAPH_TABLES = ("checkpoint_writes", "checkpoint_blobs", "checkpoints")
LOG_TABLES = ("logs", "thread_logs")


class Rule(Enum):
    """What the database does to the rows that refer to one that goes."""

    TAKES = "goes"
    CLEARS = "is kept, its reference cleared"
    HOLDS = "is kept, and holds what it refers to"


@dataclass(frozen=True)
class Link:
    """A foreign key: ``columns`` of ``child`` refer to ``to_columns`` of ``parent``.

    Both are real tables, never views. ``is_override`` says that the settings let the child's rows
    go, where the key itself would keep them.
    """

    name: str
    child: sa.Table
    columns: tuple[str, ...]
    parent: sa.Table
    to_columns: tuple[str, ...]
    rule: Rule
    is_override: bool = False


@dataclass(frozen=True)
class TraceTable:
    """A table or view with rows that belong to runs.

    ``key`` is the column that holds a row's thread_id. ``links`` are the foreign keys by which
    rows belong to a run though they do not hold its id: they go with a row of another table that
    does. ``name`` is how it is shown. ``is_named``: it is one of LangGraph's, a log, or the
    settings name it, so its rows are deleted whatever its foreign keys say; of another the database
    takes them along by itself.
    """

    name: str
    table: sa.Table
    key: sa.Column[Any] | None
    links: tuple[Link, ...] = ()
    is_named: bool = True

    def of(self, thread_ids: Iterable[str]) -> sa.ColumnElement[bool]:
        """The condition that a row holds the id of one of these runs."""
        return sa.false() if self.key is None else has_id(self.key, thread_ids)

    @property
    def thread_id(self) -> sa.ColumnElement[str]:
        """The thread_id, as text, that a row holds."""
        return sa.cast(sa.null() if self.key is None else self.key, sa.Text)

    @property
    def stored(self) -> sa.Table:
        """The real table that the rows are kept in: itself, or the one behind a view."""
        return stored_table(self.table)

    @property
    def stored_key(self) -> sa.Column[Any] | None:
        """The real column that holds a run's id; None where there is none."""
        return None if self.key is None else stored_id(self.key)

    @property
    def worked(self) -> sa.Table:
        """What its rows are counted in and deleted from: where they are told by place, no view."""
        return self.stored if self.links else self.table

    def shown(self, link: Link) -> list[sa.Column[Any]] | None:
        """The columns that ``link`` refers to as this table or view has them; None where not all.

        A partition or an heir that is referred to by itself is never shown by a view.
        """
        if link.parent is not self.stored:
            return None
        own = {
            stored_column(column).name: column
            for column in self.table.c
            if stored_column(column).table is self.stored
        }
        if not all(name in own for name in link.to_columns):
            return None
        return [own[name] for name in link.to_columns]

    @property
    def needs_delete(self) -> bool:
        """Whether its rows stay where the role may not delete them itself."""
        return self.is_named or any(link.is_override for link in self.links)


SUPERUSER = "a superuser"


@dataclass(frozen=True)
class Lack:
    """Something that the role may not do or see, and the SQL by which somebody can mend it.

    Where no SQL can, ``fact`` says what to do.
    """

    fact: str
    who: str = ""
    sql: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """All of it."""
        return f"{self.fact}; let {self.who} run: {' '.join(self.sql)}" if self.sql else self.fact


@dataclass(frozen=True)
class Privileges:
    """What the database role lacks, in sentences that say what to do.

    ``unreadable`` has one for each table that holds rows of runs and may not be read, by its name;
    ``obstacles`` say why runs cannot be deleted, with every trace or without an untrue word; ()
    where they can. ``lacks`` has all of these as values. ``undeletable`` are the tables whose rows
    the role may not delete itself.
    """

    unreadable: Mapping[str, str] = field(default_factory=dict)
    obstacles: tuple[str, ...] = ()
    lacks: tuple[Lack, ...] = ()
    undeletable: frozenset[str] = frozenset()

    @property
    def deleting(self) -> str | None:
        """Why runs cannot be deleted; None where they can."""
        return " ".join(self.obstacles) or None

    @property
    def sentences(self) -> tuple[str, ...]:
        """All of them; () where the role lacks nothing."""
        return tuple(dict.fromkeys((*self.unreadable.values(), *self.obstacles)))


@dataclass(frozen=True)
class Host:
    """The tables of the host that Run Manager works with.

    ``traces`` go with a run, in the order in which they can be deleted; ``units`` are the same with
    ``own`` among them, those that refer to each other together. ``left_behind`` hold ids of runs
    and are never touched. ``links`` are the foreign keys, of whichever table, that refer to a row
    that goes and do not make their own row go: they clear, or hold; and those of ``runs`` itself,
    by which another run would be taken along. ``refusals`` say why PostgreSQL does not delete
    through some of the views, by name. ``version`` tells one state of the catalog from
    another, ``shape`` one state of what a deletion depends on.
    """

    runs: sa.Table
    users: sa.Table
    workspaces: sa.Table | None
    traces: tuple[TraceTable, ...]
    left_behind: tuple[TraceTable, ...]
    logs: tuple[TraceTable, ...]
    units: tuple[tuple[TraceTable, ...], ...] = ()
    links: tuple[Link, ...] = ()
    conventions: Conventions = field(default_factory=Conventions)
    version: str = ""
    shape: str = ""
    refusals: Mapping[str, str] = field(default_factory=dict)
    privileges: Privileges = field(default_factory=Privileges)

    @cached_property
    def own(self) -> TraceTable:
        """The runs' own rows, as a table whose rows go with a run."""
        return TraceTable(self.runs.info["name"], self.runs, self.runs.c.thread_id)

    @property
    def refers_to_itself(self) -> bool:
        """Whether a run's row can hold another run's in place."""
        return any(self.is_of_runs(link.child) for link in self.links)

    def is_of_runs(self, table: sa.Table) -> bool:
        """Whether ``table`` is the one in which the runs' own rows are kept."""
        return bool(table.info["oid"] in self.nodes and self.nodes[table.info["oid"]] is self.own)

    @cached_property
    def nodes(self) -> Mapping[int, TraceTable]:
        """What goes with a run, by the oid of each real table, heir or partition of it."""
        return {
            oid: trace
            for trace in (self.own, *self.traces)
            for oid in (trace.stored.info["oid"], *trace.stored.info.get("family", ()))
        }

    def name_of(self, table: sa.Table) -> str:
        """What a table is called: as what goes with a run where it does, else by its own name."""
        node = self.nodes.get(table.info["oid"])
        return shown_name(table) if node is None else node.name

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
    the order of the list; ``status`` only with ``has_exact_status``, where what is equal there
    prints alike. ``nulls_last`` is the form in which that order is asked for. With ``has_trigrams``
    a part of an id or a name can be looked up. With ``has_idle_users`` few of the users have runs
    at all. Of the ordered columns, ``rising`` are those whose index rises while it is read in the
    order of the list, and ``falling`` those whose falls.
    """

    indexed: frozenset[str] = frozenset()
    ordered: frozenset[str] = frozenset()
    nulls_last: bool = False
    has_trigrams: bool = False
    has_idle_users: bool = False
    has_exact_status: bool = False
    rising: frozenset[str] = frozenset()
    falling: frozenset[str] = frozenset()


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


def stored_table(table: sa.Table) -> sa.Table:
    """The real table whose rows are deleted through ``table``: itself, or the one behind a view."""
    found: sa.Table = table.info.get("stored", table)
    return found


def tables_behind(*tables: sa.Table) -> list[sa.Table]:
    """The real tables whose columns these show, each once; and a view that computes some itself."""
    found = [
        behind
        for table in tables
        for behind in (stored_table(table), *(stored_column(column).table for column in table.c))
    ]
    return list(dict.fromkeys(found))


def stored_column(column: sa.Column[Any]) -> sa.Column[Any]:
    """The real column behind a view's, whose indexes and statistics are its own; else itself."""
    found: sa.Column[Any] = column.info.get("stored", column)
    return found


def stored_id(column: sa.Column[Any]) -> sa.Column[Any] | None:
    """The real column, of the table that rows go from, whose values print as those of ``column``.

    None where a view computes the id in another way: its rows cannot be found in that table.
    """
    table = stored_table(column.table)
    if stored_column(column).table is table:
        return stored_column(column)
    cast: sa.Column[Any] | None = column.info.get("cast")
    if cast is None or cast.table is not table or not isinstance(column.type, sa.Text):
        return None
    return cast if isinstance(cast.type, (sa.Uuid, sa.BigInteger)) else None


def shown_name(table: sa.Table) -> str:
    """What a table is called: with its schema where the search_path does not find it."""
    return str(table.info["name"])


def settings_name(table: sa.Table) -> str:
    """What RUNMANAGER_TRACE_TABLES calls it: a partition goes with the table that it is of."""
    return str(table.info["root"])
