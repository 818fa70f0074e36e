"""What the advice is made from: the host's tables, indexes and sizes, as the catalog has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from runmanager.host.values import tables_behind
from runmanager.queries.catalog.hints import read_hints
from runmanager.queries.catalog.index_reader import read_indexes, read_references, read_trigram
from runmanager.queries.catalog.sizes import read_relation_names, read_sizes
from runmanager.queries.run.footprint import run_tables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runmanager.host.values import Hints, Host
    from runmanager.queries.catalog.indexes import Index, Reference, Trigram
    from runmanager.queries.catalog.sizes import TableSize

SMALL_ROWS = 10_000
_SMALL_BYTES = 1_000_000  # where the rows are not known


@dataclass(frozen=True)
class Catalog:
    """What PostgreSQL's catalog says about the host's tables; ``sizes`` by their full names."""

    hints: Hints
    indexes: tuple[Index, ...]
    references: tuple[Reference, ...]
    sizes: Mapping[str, TableSize]
    trigram: Trigram
    relations: frozenset[tuple[str, str]]


def read_catalog(connection: sa.Connection, host: Host) -> Catalog:
    """All that the advice depends on."""
    references = read_references(connection, host)
    traces = (*run_tables(host), *host.left_behind)
    people = [host.users] if host.workspaces is None else [host.users, host.workspaces]
    tables = [
        *tables_behind(*people, *(trace.table for trace in traces)),
        *(one.table for one in references),
    ]
    return Catalog(
        hints=read_hints(connection, host),
        indexes=read_indexes(connection, tables),
        references=references,
        sizes=read_sizes(connection, tables),
        trigram=read_trigram(connection),
        relations=read_relation_names(connection, tables),
    )


def why_not_advised(
    catalog: Catalog, table: sa.Table, column: sa.Column[object] | None = None
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


def is_small(catalog: Catalog, table: sa.Table) -> bool:
    size = catalog.sizes[table.fullname]
    if table.info["kind"] == "v":
        return False
    return size.stored_bytes < _SMALL_BYTES if size.rows is None else size.rows < SMALL_ROWS


def about_rows(catalog: Catalog, table: sa.Table) -> str:
    rows = catalog.sizes[table.fullname].rows
    return "never analysed" if rows is None else f"about {rounded(rows)} row{'s' * (rows != 1)}"


def rounded(number: float) -> str:
    """To two digits, which is what estimates are worth."""
    return f"{float(f'{number:.2g}'):,.10g}"
