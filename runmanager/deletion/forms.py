"""In which form the rows of each table leave for the archive: from where, and with which columns.

A view may show only some of the columns and rows of the table behind it. Where the role may, rows
are taken from the table itself, so that all of what is stored comes back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.archive.rows_format import SETTINGS, ArchivedColumn, ArchivedTable
from runmanager.deletion.statements import is_taken
from runmanager.errors import OutdatedPlanError
from runmanager.host.ids import INTEGER_LIMITS
from runmanager.host.values import stored_column

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runmanager.host.values import Host, TraceTable

# COPY prints an id of these as the id is written everywhere else.
_PLAIN_IDS = {"text", "character varying", "uuid", *INTEGER_LIMITS}


@dataclass(frozen=True)
class Form:
    """How the rows of ``trace`` leave.

    They are deleted from ``source``, which is the table or the view; ``columns`` of it are written,
    as ``archived`` says. ``shown`` are pairs of a column of the table and of the view in front of
    it, which tell the rows that the view shows; () where ``source`` is what the runs' rows are
    found in. ``lack`` is why not all could be put back, in a sentence; None where all could.
    ``may_lock``: nobody changes a row between its reading and its going, where that is not one.
    """

    trace: TraceTable
    source: sa.Table
    columns: tuple[sa.Column[Any], ...]
    archived: ArchivedTable
    shown: tuple[tuple[sa.Column[Any], sa.Column[Any]], ...] = ()
    lack: str | None = None
    may_lock: bool = False

    @property
    def has_run(self) -> bool:
        """Whether the first column is the id of a row's run."""
        return self.archived.run_column is not None


@dataclass(frozen=True)
class _Stored:
    """What the catalog says of one table: its columns by number, and what the role may do."""

    columns: Mapping[int, ArchivedColumn]
    computed: frozenset[int]
    may_take: bool
    may_lock: bool


def archive_settings(connection: sa.Connection) -> str:
    """Let values be printed as the archive's files have them, until the transaction ends.

    The search_path, which belongs to them, is returned.
    """
    path: str = connection.execute(_settings(), dict(SETTINGS)).scalar_one()
    return path


@cache
def _settings() -> sa.Select[Any]:
    return sa.select(
        sa.func.current_setting("search_path"),
        *(sa.func.set_config(name, sa.bindparam(name), True) for name in SETTINGS),
    )


def read_forms(connection: sa.Connection, host: Host) -> dict[str, Form]:
    """The form of each table whose rows go with a run, by its name."""
    traces = (host.own, *host.traces)
    stored = _read_stored(
        connection, {table.info["oid"] for one in traces for table in (one.table, one.stored)}
    )
    forms = (_form(trace, stored) for trace in traces)
    return {form.trace.name: _locked(host, form, stored) for form in forms}


def unrestorable(forms: Mapping[str, Form]) -> tuple[str, ...]:
    """What of these could not be put back from the archive, in sentences."""
    return tuple(form.lack for form in forms.values() if form.lack is not None)


def _locked(host: Host, form: Form, stored: Mapping[int, _Stored]) -> Form:
    """The form, locked where its rows are read before the database takes them along."""
    if not is_taken(host, form.trace):
        return form
    return replace(form, may_lock=stored[form.source.info["oid"]].may_lock)


def _form(trace: TraceTable, stored: Mapping[int, _Stored]) -> Form:
    table, known = trace.stored, stored[trace.stored.info["oid"]]
    if trace.worked is table and table.info["kind"] != "v":
        return _of_table(trace, known, is_sortable=not trace.links)
    shown = _shown_key(trace)
    if trace.stored_key is not None and shown and known.may_take:
        return _of_table(trace, known, is_sortable=True, shown=shown)
    return _of_view(trace, stored)


def _of_table(
    trace: TraceTable,
    known: _Stored,
    *,
    is_sortable: bool,
    shown: tuple[tuple[sa.Column[Any], sa.Column[Any]], ...] = (),
) -> Form:
    """All that is stored, the run's id first."""
    table, key = trace.stored, trace.stored_key
    by_number = {column.info["number"]: column for column in table.c}
    if by_number.keys() != known.columns.keys():
        # One that was added since would be lost.
        raise OutdatedPlanError
    numbers = [number for number in by_number if number not in known.computed]
    if key is not None:
        first = key.info["number"]
        numbers = [first, *(number for number in numbers if number != first)]
    has_run = is_sortable and key is not None and key.info["type"] in _PLAIN_IDS
    return Form(
        trace,
        table,
        tuple(by_number[number] for number in numbers),
        ArchivedTable(
            trace.name,
            str(table.schema),
            table.name,
            tuple(known.columns[number] for number in numbers),
            0 if has_run else None,
        ),
        shown,
        _heirs(trace),
    )


def _of_view(trace: TraceTable, stored: Mapping[int, _Stored]) -> Form:
    """What a view shows of the table behind it; all that it shows where none is known."""
    view, table = trace.table, trace.stored
    known = stored[table.info["oid"]]
    pairs = [(_column_behind(column, table), column) for column in view.c]
    if table is view:
        pairs = [(column, column) for column in view.c]
    found = [(behind, column) for behind, column in pairs if behind is not None]
    found = [one for one in found if one[0].info["number"] not in known.computed]
    key = trace.key
    found.sort(key=lambda one: one[1] is not key)
    has_run = (
        key is not None and bool(found) and found[0][1] is key and key.info["type"] in _PLAIN_IDS
    )
    names = {behind.name for behind, _column in found}
    hidden = sorted(
        column.name
        for number, column in known.columns.items()
        if column.name not in names and number not in known.computed
    )
    lack = None
    if table is view:
        lack = (
            f"Rows of the view “{trace.name}” go by a trigger or rule of its own, so what it shows "
            "of them is archived, and could be put back only through an INSTEAD OF INSERT trigger."
        )
    elif hidden:
        lack = (
            f"The view “{trace.name}” does not show {_listed(hidden)} of the table behind it, "
            "which the role may not read and delete from: what is in there is not archived, until "
            "it is granted SELECT and DELETE there."
        )
    return Form(
        trace,
        view,
        tuple(column for _behind, column in found),
        ArchivedTable(
            trace.name,
            str(table.schema),
            table.name,
            tuple(known.columns[behind.info["number"]] for behind, _column in found),
            0 if has_run else None,
            is_whole=lack is None,
        ),
        lack=lack,
    )


def _column_behind(column: sa.Column[Any], table: sa.Table) -> sa.Column[Any] | None:
    """The column of ``table`` whose values are printed as those of the view's ``column``."""
    if stored_column(column).table is table:
        return stored_column(column)
    cast: sa.Column[Any] | None = column.info.get("cast")
    is_text = isinstance(column.type, sa.Text)
    return cast if cast is not None and cast.table is table and is_text else None


def _shown_key(trace: TraceTable) -> tuple[tuple[sa.Column[Any], sa.Column[Any]], ...]:
    """The columns that tell the rows of the table behind a view apart, with the view's for them."""
    table, view = trace.stored, trace.table
    shown = {
        stored_column(column).name: column
        for column in view.c
        if stored_column(column).table is table
    }
    key: Sequence[str] = table.info["key"]
    if not key or not all(name in shown for name in key):
        return ()
    return tuple((table.c[name], shown[name]) for name in key)


def _heirs(trace: TraceTable) -> str | None:
    if not trace.stored.info["has_heirs"]:
        return None
    return (
        f"Other tables inherit from “{trace.name}”: rows that are kept in those would be put back "
        "into it, without the columns that only those have."
    )


def _listed(names: Sequence[str]) -> str:
    quoted = [f"“{name}”" for name in names]
    if len(quoted) == 1:
        return f"the column {quoted[0]}"
    return f"the columns {', '.join(quoted[:-1])} and {quoted[-1]}"


def _read_stored(connection: sa.Connection, oids: set[int]) -> dict[int, _Stored]:
    columns: dict[int, dict[int, ArchivedColumn]] = {oid: {} for oid in oids}
    computed: dict[int, set[int]] = {oid: set() for oid in oids}
    may_take = dict.fromkeys(oids, True)
    may_lock = dict.fromkeys(oids, False)
    for row in connection.execute(_columns(), {"oids": sorted(oids)}):
        columns[row.oid][row.attnum] = ArchivedColumn(row.attname, row.type, row.attnum)
        if row.is_computed:
            computed[row.oid].add(row.attnum)
        may_take[row.oid] &= row.may_take
        may_lock[row.oid] = row.may_lock
    return {
        oid: _Stored(
            columns[oid],
            frozenset(computed[oid]),
            may_take[oid] and bool(columns[oid]),
            may_lock[oid],
        )
        for oid in oids
    }


@cache
def _columns() -> sa.Select[Any]:
    # Made once: every batch asks.
    relation = sa.table("pg_class", *map(sa.column, ("oid", "relnamespace", "relkind")))
    attribute = sa.table(
        "pg_attribute",
        *map(sa.column, ("attrelid", "attname", "attnum", "atttypid", "atttypmod")),
        *map(sa.column, ("attgenerated", "attisdropped")),
    )
    oid = relation.c.oid
    may_take = sa.and_(
        sa.func.has_schema_privilege(relation.c.relnamespace, "USAGE"),
        sa.func.has_table_privilege(oid, "DELETE"),
        sa.func.has_column_privilege(oid, attribute.c.attnum, "SELECT"),
        # Who sees a part of the rows only would delete a part of what the view shows.
        ~sa.func.row_security_active(oid),
    )
    # A row that a policy lets nobody change is not read by a statement that locks.
    may_lock = sa.and_(
        relation.c.relkind.in_(["r", "p"]),
        sa.func.has_any_column_privilege(oid, "UPDATE"),
        ~sa.func.row_security_active(oid),
    )
    return (
        sa.select(
            oid,
            attribute.c.attnum,
            attribute.c.attname,
            sa.func.format_type(attribute.c.atttypid, attribute.c.atttypmod).label("type"),
            (attribute.c.attgenerated != "").label("is_computed"),
            may_take.label("may_take"),
            may_lock.label("may_lock"),
        )
        .join(attribute, attribute.c.attrelid == oid)
        .where(
            oid == sa.any_(sa.bindparam("oids", type_=sa.ARRAY(sa.BigInteger))),
            attribute.c.attnum > 0,
            ~attribute.c.attisdropped,
        )
        .order_by(oid, attribute.c.attnum)
    )
