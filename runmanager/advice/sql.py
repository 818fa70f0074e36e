"""The advice on indexes as SQL: a script for psql in which all but the statements is comments."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from runmanager.advice.asking import asked_database
from runmanager.advice.catalog import Catalog, read_catalog, rounded
from runmanager.advice.findings import (
    Benefit,
    Finding,
    Form,
    WantedExtension,
    WantedIndex,
    find_wanting,
)
from runmanager.host.catalog import read_host

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runmanager.host.values import Host

_NAME_BYTES = 63
_WIDTH = 97
# The driver's own dialect doubles a % in a name, because its parameters begin with one.
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


@dataclass(frozen=True)
class Advice:
    """One thing to create, by these statements in this order, each outside a transaction.

    ``likely_bytes`` is None where the table's rows are not known, and for an extension.
    """

    benefit: Benefit
    statements: tuple[str, ...]
    why: str
    likely_bytes: int | None


def advice_for(environ: Mapping[str, str]) -> str:
    """The advice for the database that DATABASE_URL names, read in one READ ONLY transaction.

    Raises SettingsError, HostError or DatabaseError, in one sentence each.
    """
    with asked_database(environ) as (connection, settings):
        host = read_host(connection, settings.conventions)
        catalog = read_catalog(connection, host)
    return as_sql(*advise(host, catalog))


def advise(host: Host, catalog: Catalog) -> tuple[tuple[Advice, ...], tuple[str, ...]]:
    """What to create, what matters most first; and remarks, each a sentence."""
    found, remarks = find_wanting(host, catalog)
    taken = set(catalog.relations)
    return tuple(_said(one, catalog, taken) for one in found), remarks


def as_sql(advice: Sequence[Advice], remarks: Sequence[str]) -> str:
    """The advice as a script to look over and run."""
    blocks = [_comment(_HEADER)] if advice else []
    for one in advice:
        why = f"{one.benefit.value}: {one.why}{_about(one)}"
        blocks.append("\n".join([_comment(why), *one.statements]))
    blocks += map(_comment, remarks)
    blocks.append(_comment(_COST if advice else _NOTHING))
    return "\n\n".join(blocks) + "\n"


def _said(one: Finding, catalog: Catalog, taken: set[tuple[str, str]]) -> Advice:
    if isinstance(one, WantedExtension):
        return Advice(one.benefit, (f"CREATE EXTENSION {_quoted(one.name)};",), one.why, None)
    why = one.why
    if catalog.sizes[one.table.fullname].parts:
        why += f" “{one.table.name}” is partitioned, so its partitions get theirs one by one."
    return Advice(one.benefit, _create_index(one, catalog, taken), why, one.likely_bytes)


def _create_index(
    wanted: WantedIndex, catalog: Catalog, taken: set[tuple[str, str]]
) -> tuple[str, ...]:
    table = wanted.table
    keys = _keys(wanted, catalog)
    parts = catalog.sizes[table.fullname].parts
    if not parts:
        index = _new_name(wanted, table.schema or "", table.name, taken)
        of = _in_schema(table.schema or "", table.name)
        return (f"CREATE INDEX CONCURRENTLY {_quoted(index)}\n    ON {of} {keys};",)
    # A partitioned table's index cannot be built CONCURRENTLY: an empty one is made for the parent,
    # and becomes valid when the last partition's own, each built CONCURRENTLY, is attached to it.
    found, names = [], {}
    for part in parts:
        place = (part.schema, part.name)
        names[place] = _new_name(wanted, *place, taken)
        how, only = ("CONCURRENTLY ", "") if part.is_leaf else ("", "ONLY ")
        index = _quoted(names[place])
        found.append(f"CREATE INDEX {how}{index}\n    ON {only}{_in_schema(*place)} {keys};")
        if part.parent is not None:
            above = _in_schema(part.parent[0], names[part.parent])
            attached = _in_schema(part.schema, names[place])
            found.append(f"ALTER INDEX {above} ATTACH PARTITION {attached};")
    return tuple(found)


def _keys(wanted: WantedIndex, catalog: Catalog) -> str:
    """What follows the table in CREATE INDEX."""
    columns = [_quoted(column.name) for column in wanted.columns]
    if wanted.form is Form.TRIGRAMS:
        (column,) = wanted.columns
        operators = ".".join(map(_quoted, catalog.trigram.operator_class or ("gin_trgm_ops",)))
        key = columns[0] if isinstance(column.type, sa.Text) else f"({columns[0]}::text)"
        return f"USING gin ({key} {operators})"
    # The list asks for its order in the form of the index on created_at that is there.
    nulls = " NULLS LAST" if catalog.hints.nulls_last else ""
    if wanted.form is Form.NEWEST_FIRST:
        *behind, time, thread_id = columns
        columns = [*behind, f"{time} DESC{nulls}", f"{thread_id} DESC"]
    if wanted.form is Form.OVER_TIME:
        time, *beside = columns
        columns = [f"{time} DESC{nulls}", *beside]
    return f"({', '.join(columns)})"


def _new_name(wanted: WantedIndex, schema: str, table: str, taken: set[tuple[str, str]]) -> str:
    """A name like PostgreSQL's own, cut to what it keeps, that nothing in the schema has yet."""
    stem = "_".join([table, *wanted.column_names])
    suffix = "trgm_idx" if wanted.form is Form.TRIGRAMS else "idx"
    for number in count():
        end = f"_{suffix}{number or ''}".encode()
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
    if advice.statements[0].startswith("CREATE EXTENSION"):
        return ""
    return " Likely size: not known before an ANALYZE."


def _size(number: float) -> str:
    megabytes = number / 1_000_000
    if megabytes < 1:
        return "less than 1 MB"
    if megabytes < 1000:  # noqa: PLR2004  a gigabyte
        return f"about {rounded(megabytes)} MB"
    return f"about {rounded(megabytes / 1000)} GB"


def _comment(text: str) -> str:
    # A table's name may hold line breaks: filling keeps every line inside the comment.
    return textwrap.fill(text, _WIDTH, initial_indent="-- ", subsequent_indent="-- ")
