"""Advice on the host's indexes, as SQL to read and to run: ``python -m runmanager.advise``.

Nothing is created here: the catalog is read in one READ ONLY transaction, and what would help is
printed for whoever owns the tables.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import textwrap
from dataclasses import dataclass
from enum import Enum
from itertools import count
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from runmanager.database import Database
from runmanager.errors import RunManagerError, SettingsError
from runmanager.host import Host, TraceTable, read_host
from runmanager.queries.footprint import run_tables
from runmanager.queries.hints import with_hints
from runmanager.queries.indexes import (
    Index,
    Reference,
    Trigram,
    begins_with,
    finds,
    has_order,
    has_trigram,
    leads_with,
    read_indexes,
    read_references,
    read_trigram,
)
from runmanager.queries.sizes import (
    TableSize,
    btree_bytes,
    read_relation_names,
    read_sizes,
    trigram_bytes,
)
from runmanager.settings import KEY_BYTES, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

SMALL_ROWS = 10_000
_SMALL_BYTES = 1_000_000  # where the rows are not known
_NAME_BYTES = 63
_WIDTH = 97
# Where parameters begin with a %, as they do to the driver, one in a name is doubled.
_make_dialect: Callable[..., sa.Dialect] = postgresql.dialect
_quoted = _make_dialect(paramstyle="named").identifier_preparer.quote

_HEADER = (
    "Run Manager's advice on the indexes of this database. Nothing has been changed. To follow it, "
    "run these statements as the owner of the tables, outside a transaction (psql without -1). "
    "CONCURRENTLY lets the application write on meanwhile. A build that fails leaves an index that "
    "is INVALID: drop it, then ask for advice again."
)
_COST = (
    "Every index makes inserts a little slower: measured on 10 million runs, by 4 % with the "
    "indexes for the list and by 12 % with those for the search."
)
_NOTHING = "Nothing to advise: every table has the indexes that finding and deleting runs can use."


class Benefit(Enum):
    """What an index is for, and how much it matters."""

    NEEDED = "Needed"
    LISTING = "Helpful"
    SEARCHING = "Helpful for the search"


@dataclass(frozen=True)
class Advice:
    """One thing to create, by these statements in this order, each outside a transaction.

    ``likely_bytes`` is None where the table's rows are not known, and for an extension.
    """

    benefit: Benefit
    statements: tuple[str, ...]
    why: str
    likely_bytes: int | None


@dataclass(frozen=True)
class Catalog:
    """What PostgreSQL's catalog says about the host's tables; ``sizes`` by their full names."""

    indexes: tuple[Index, ...]
    references: tuple[Reference, ...]
    sizes: Mapping[str, TableSize]
    trigram: Trigram
    relations: frozenset[tuple[str, str]]


@dataclass(frozen=True)
class _Wanted:
    """An index without a name yet: ``keys`` is what follows the table in CREATE INDEX."""

    benefit: Benefit
    table: sa.Table
    columns: tuple[sa.Column[Any], ...]
    keys: str
    why: str
    likely_bytes: int | None
    suffix: str = "idx"


def read_catalog(connection: sa.Connection, host: Host) -> Catalog:
    """All that the advice depends on."""
    references = read_references(connection, host)
    traces = (*run_tables(host), *host.left_behind)
    tables = [host.users, *(trace.table for trace in traces), *(one.table for one in references)]
    return Catalog(
        indexes=read_indexes(connection, tables),
        references=references,
        sizes=read_sizes(connection, tables),
        trigram=read_trigram(connection),
        relations=read_relation_names(connection, tables),
    )


def advise(host: Host, catalog: Catalog) -> tuple[tuple[Advice, ...], tuple[str, ...]]:
    """What would help, what matters most first; and remarks, each a sentence."""
    found: list[Advice | _Wanted] = []
    notes: list[str] = []
    taken = set(catalog.relations)
    for one in _findings(host, catalog):
        if isinstance(one, str):
            notes.append(one)
        elif isinstance(one, Advice) or not any(_serves(other, one) for other in found):
            found.append(one)
    return (
        tuple(one if isinstance(one, Advice) else _named(one, catalog, taken) for one in found),
        tuple(dict.fromkeys(notes)),
    )


def as_sql(advice: tuple[Advice, ...], notes: tuple[str, ...]) -> str:
    """The advice as a script for psql, in which all but the statements is comments."""
    blocks = [_comment(_HEADER)] if advice else []
    for one in advice:
        why = f"{one.benefit.value}: {one.why}{_about(one)}"
        blocks.append("\n".join([_comment(why), *one.statements]))
    blocks += map(_comment, notes)
    blocks.append(_comment(_COST if advice else _NOTHING))
    return "\n\n".join(blocks) + "\n"


def main() -> int:
    """Print the advice for the database that DATABASE_URL names; the process's exit code."""
    argparse.ArgumentParser(
        prog="python -m runmanager.advise",
        description="Prints SQL for indexes that would help Run Manager on the database that "
        "DATABASE_URL names. Changes nothing.",
    ).parse_args()
    try:
        # No cookie is signed here, so that any key will do.
        key = {"RUNMANAGER_COOKIE_KEY": secrets.token_hex(KEY_BYTES)}
        text = _advice_for(Settings.from_environment({**os.environ, **key}))
    except RunManagerError as error:
        sys.stderr.write(f"Run Manager: {error.message}\n")
        return 1
    sys.stdout.write(text)
    return 0


def _advice_for(settings: Settings) -> str:
    if settings.database_url is None:
        raise SettingsError(
            "DATABASE_URL is needed: it names the database whose indexes are to be looked at."
        )
    database = Database(settings.database_url, settings)
    try:
        with database.read() as connection:
            host = with_hints(connection, read_host(connection, settings.trace_tables))
            catalog = read_catalog(connection, host)
    finally:
        database.close()
    return as_sql(*advise(host, catalog))


def _findings(host: Host, catalog: Catalog) -> Iterator[Advice | _Wanted | str]:
    """What a look at the host finds, in order; a str is a remark."""
    traces = (*run_tables(host), *host.left_behind)
    for trace in traces:
        yield from _for_trace(host, catalog, trace)
    keys = {(trace.table.fullname, trace.key.name) for trace in traces}
    for reference in catalog.references:
        # A key that says whose run a row is was looked at just now.
        if not any((reference.table.fullname, one.name) in keys for one in reference.columns):
            yield from _for_reference(catalog, reference)
    if _is_small(catalog, host.runs):
        yield (
            f"“{host.runs.name}” is small ({_rows(catalog, host.runs)}): below {SMALL_ROWS:,} rows "
            "no further index would be noticed."
        )
    elif (obstacle := _obstacle(catalog, host.runs)) is not None:
        yield obstacle
    else:
        yield from _for_list(host, catalog)
        yield from _for_search(host, catalog)


def _for_trace(host: Host, catalog: Catalog, trace: TraceTable) -> Iterator[_Wanted | str]:
    """Every table is asked for the rows of runs by one column, however small it is."""
    obstacle = _obstacle(catalog, trace.table, trace.key)
    if obstacle is not None:
        yield obstacle
        return
    if finds(catalog.indexes, trace.key):
        return
    of = f"“{trace.name}” ({_rows(catalog, trace.table)})"
    if trace.table is host.runs:
        why = f"each run that is opened or deleted is looked for in all of {of}."
    elif trace in host.left_behind:
        why = (
            f"a plan says how many rows stay behind in {of}; without an index it reads all of "
            "them, and gives up after a second."
        )
    else:
        why = (
            f"each plan and each batch of a deletion looks for the rows of its runs in {of}; "
            "without an index it reads all of them."
        )
    yield _btree(catalog, Benefit.NEEDED, trace.table, (trace.key,), why)


def _for_reference(catalog: Catalog, reference: Reference) -> Iterator[_Wanted | str]:
    table = reference.table
    if begins_with(catalog.indexes, table, reference.columns) or _is_small(catalog, table):
        return
    obstacle = _obstacle(catalog, table)
    if obstacle is not None:
        yield obstacle
        return
    why = (
        f"“{table.name}” refers to “{reference.to_table}”, so for each row deleted there "
        "PostgreSQL looks for rows here; without an index it reads all of them "
        f"({_rows(catalog, table)})."
    )
    yield _btree(catalog, Benefit.NEEDED, table, reference.columns, why)


def _for_list(host: Host, catalog: Catalog) -> Iterator[_Wanted | str]:
    """The list is newest first, of all runs or of one user's or one workspace's."""
    runs, indexes = host.runs, catalog.indexes
    if not leads_with(indexes, runs.c.created_at):
        why = "no index begins with created_at, so each page of the list sorts all runs."
        yield _newest(host, catalog, Benefit.NEEDED, (), why)
    for column, whose in ((runs.c.user_id, "user"), (runs.c.workspace_id, "workspace")):
        if has_order(indexes, host, column, host.hints.nulls_last):
            continue
        why = f"for the runs of one {whose}, newest first, and for the {whose}s to choose from."
        obstacle = _obstacle(catalog, runs, column)
        yield obstacle or _newest(host, catalog, Benefit.LISTING, (column,), why)
    if "parent_thread_id" in runs.c and not finds(indexes, runs.c.parent_thread_id):
        parent = runs.c.parent_thread_id
        why = "for a run's page, which looks for its reruns."
        yield _obstacle(catalog, runs, parent) or _btree(
            catalog, Benefit.LISTING, runs, (parent,), why
        )
    users, username = host.users, host.users.c.username
    if not _is_small(catalog, users) and not finds(indexes, username):
        why = "a little, for the user of a name, looked up at each filter by user."
        yield _obstacle(catalog, users, username) or _btree(
            catalog, Benefit.LISTING, users, (username,), why
        )


def _for_search(host: Host, catalog: Catalog) -> Iterator[Advice | _Wanted | str]:
    """A search looks for a part of two columns' text at once, which takes an index on both."""
    runs, trigram = host.runs, catalog.trigram
    columns = (runs.c.thread_id, runs.c.run_name)
    missing = [column for column in columns if not has_trigram(catalog.indexes, column)]
    obstacle = next(filter(None, (_obstacle(catalog, runs, column) for column in missing)), None)
    if obstacle is not None:
        yield obstacle
    elif missing and not trigram.is_available:
        yield (
            "The search for rare words would be helped by trigram indexes, but this server has no "
            "extension pg_trgm: it is part of PostgreSQL's contrib package."
        )
    else:
        if missing and trigram.operator_class is None:
            yield Advice(
                Benefit.SEARCHING,
                ("CREATE EXTENSION pg_trgm;",),
                "the indexes below need this extension, which the server has and this database has "
                "not yet. A superuser may create it or, since PostgreSQL 13, a role with CREATE on "
                "the database.",
                None,
            )
        for column in missing:
            yield _trigram(catalog, runs, column, is_id=column is runs.c.thread_id)


def _newest(
    host: Host,
    catalog: Catalog,
    benefit: Benefit,
    behind: tuple[sa.Column[Any], ...],
    why: str,
) -> _Wanted:
    runs = host.runs
    columns = (*behind, runs.c.created_at, runs.c.thread_id)
    # The list asks for its order in the form of the index on created_at that is there.
    nulls = " NULLS LAST" if host.hints.nulls_last else ""
    newest = f"created_at DESC{nulls}, thread_id DESC"
    keys = ", ".join([*(_quoted(column.name) for column in behind), newest])
    likely = btree_bytes(catalog.sizes[runs.fullname], columns)
    return _Wanted(benefit, runs, columns, f"({keys})", why, likely)


def _btree(
    catalog: Catalog,
    benefit: Benefit,
    table: sa.Table,
    columns: tuple[sa.Column[Any], ...],
    why: str,
) -> _Wanted:
    keys = ", ".join(_quoted(column.name) for column in columns)
    likely = btree_bytes(catalog.sizes[table.fullname], columns)
    return _Wanted(benefit, table, columns, f"({keys})", why, likely)


def _trigram(catalog: Catalog, runs: sa.Table, column: sa.Column[Any], *, is_id: bool) -> _Wanted:
    operators = ".".join(map(_quoted, catalog.trigram.operator_class or ("gin_trgm_ops",)))
    key = column.name if isinstance(column.type, sa.Text) else f"({column.name}::text)"
    why = (
        f"a rare part of a {'thread id' if is_id else 'name'}, of three characters or more. A "
        "search looks into ids and names at once, so it takes the index on both."
    )
    likely = trigram_bytes(catalog.sizes[runs.fullname], column, is_id=is_id)
    keys = f"USING gin ({key} {operators})"
    return _Wanted(Benefit.SEARCHING, runs, (column,), keys, why, likely, "trgm_idx")


def _serves(other: Advice | _Wanted, wanted: _Wanted) -> bool:
    """Whether an index that is advised already does what another would."""
    return (
        isinstance(other, _Wanted)
        and other.suffix == wanted.suffix
        and other.table.fullname == wanted.table.fullname
        and _column_names(other)[: len(wanted.columns)] == _column_names(wanted)
    )


def _column_names(wanted: _Wanted) -> list[str]:
    return [column.name for column in wanted.columns]


def _obstacle(
    catalog: Catalog, table: sa.Table, column: sa.Column[Any] | None = None
) -> str | None:
    """Why no index can be advised on the table, or on this column of it; None where one can."""
    if table.info["kind"] == "v":
        return f"“{table.name}” is a view: look at the indexes of the tables behind it yourself."
    if any(part.kind == "f" for part in catalog.sizes[table.fullname].parts):
        return (
            f"“{table.name}” has partitions on other servers: look at its indexes there yourself."
        )
    if column is not None and not isinstance(column.type, (sa.Uuid, sa.BigInteger, sa.Text)):
        return (
            f"The column “{column.name}” of “{table.name}” is of type {column.info['type']}, "
            "which is compared as text: an index on the column may not serve, and none is advised."
        )
    return None


def _is_small(catalog: Catalog, table: sa.Table) -> bool:
    size = catalog.sizes[table.fullname]
    if table.info["kind"] == "v":
        return False
    return size.stored_bytes < _SMALL_BYTES if size.rows is None else size.rows < SMALL_ROWS


def _rows(catalog: Catalog, table: sa.Table) -> str:
    rows = catalog.sizes[table.fullname].rows
    return "never analysed" if rows is None else f"about {_rounded(rows)} rows"


def _named(wanted: _Wanted, catalog: Catalog, taken: set[tuple[str, str]]) -> Advice:
    table = wanted.table
    parts = catalog.sizes[table.fullname].parts
    if not parts:
        index = _new_name(wanted, table.schema or "", table.name, taken)
        of = _in_schema(table.schema or "", table.name)
        statements = [f"CREATE INDEX CONCURRENTLY {_quoted(index)}\n    ON {of} {wanted.keys};"]
        return Advice(wanted.benefit, tuple(statements), wanted.why, wanted.likely_bytes)
    # A partitioned table's index cannot be built CONCURRENTLY: an empty one is made for the parent,
    # and becomes valid when the last partition's own, each built CONCURRENTLY, is attached to it.
    statements, names = [], {}
    for part in parts:
        place = (part.schema, part.name)
        names[place] = _new_name(wanted, *place, taken)
        how, only = ("CONCURRENTLY ", "") if part.is_leaf else ("", "ONLY ")
        index = _quoted(names[place])
        statements.append(
            f"CREATE INDEX {how}{index}\n    ON {only}{_in_schema(*place)} {wanted.keys};"
        )
        if part.parent is not None:
            above = _in_schema(part.parent[0], names[part.parent])
            attached = _in_schema(part.schema, names[place])
            statements.append(f"ALTER INDEX {above} ATTACH PARTITION {attached};")
    why = f"{wanted.why} “{table.name}” is partitioned, so its partitions get theirs one by one."
    return Advice(wanted.benefit, tuple(statements), why, wanted.likely_bytes)


def _new_name(wanted: _Wanted, schema: str, table: str, taken: set[tuple[str, str]]) -> str:
    """A name like PostgreSQL's own, cut to what it keeps, that nothing in the schema has yet."""
    stem = "_".join([table, *_column_names(wanted)])
    for number in count():
        end = f"_{wanted.suffix}{number or ''}".encode()
        name = (stem.encode()[: _NAME_BYTES - len(end)] + end).decode(errors="ignore")
        if (schema, name) not in taken:
            taken.add((schema, name))
            return name
    raise AssertionError


def _in_schema(schema: str, name: str) -> str:
    return _quoted(name) if schema == "public" else f"{_quoted(schema)}.{_quoted(name)}"


def _about(advice: Advice) -> str:
    if advice.likely_bytes is not None:
        return f" Likely size: {_size(advice.likely_bytes)}."
    return (
        ""
        if advice.statements[0].startswith("CREATE EXTENSION")
        else " Likely size: not known before an ANALYZE."
    )


def _size(number: float) -> str:
    megabytes = number / 1_000_000
    if megabytes < 1:
        return "less than 1 MB"
    if megabytes < 1000:  # noqa: PLR2004  a gigabyte
        return f"about {_rounded(megabytes)} MB"
    return f"about {_rounded(megabytes / 1000)} GB"


def _rounded(number: float) -> str:
    """To two digits, which is what estimates are worth."""
    return f"{float(f'{number:.2g}'):,.10g}"


def _comment(text: str) -> str:
    # Whatever a table is called, no line of it leaves the comment.
    return textwrap.fill(text, _WIDTH, initial_indent="-- ", subsequent_indent="-- ")


if __name__ == "__main__":
    sys.exit(main())
