"""What tells two rows of a host's table apart, whatever columns the host gave it.

A list that is read in pages needs a total order: where rows tie, a page may repeat one and the next
may skip another. So every such list ends its order with this key, and a row can be read again by
it.
"""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from runmanager.host.ids import has_id, storable


def row_key(table: sa.Table) -> tuple[sa.ColumnElement[Any], ...]:
    """The expressions that together differ in any two rows of ``table``.

    They are the key that the catalog knows of. Without one it is the row's place in its file; a
    column that is called ``id`` is no key by its name. A partition or a child has a file of its
    own, which ``tableoid`` names.

    A view has no key and no file: there it is a hash of the whole row. Rows that are the same in
    every column cannot be told apart by it, and need not be: either may stand for the other.
    """
    if table.info["key"]:
        return tuple(table.c[name] for name in table.info["key"])
    if table.info["kind"] == "v":
        row: sa.ColumnElement[Any] = sa.func.row(*table.c)
        return (sa.func.md5(sa.cast(row, sa.Text)),)
    return sa.literal_column("tableoid"), sa.literal_column("ctid")


def printed_key(values: list[str]) -> str:
    """One text for the values of a row's key, which ``has_key`` understands."""
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))


def has_key(table: sa.Table, key: str) -> sa.ColumnElement[bool]:
    """The condition that a row has the key that ``printed_key`` gave; any other text fits none."""
    columns = row_key(table)
    try:
        values = json.loads(key)
    except (ValueError, RecursionError):
        return sa.false()
    is_of_this_table = isinstance(values, list) and len(values) == len(columns)
    if not is_of_this_table or not all(isinstance(one, str) and storable(one) for one in values):
        return sa.false()
    return sa.and_(*(_equals(column, value) for column, value in zip(columns, values, strict=True)))


def _equals(column: sa.ColumnElement[Any], value: str) -> sa.ColumnElement[bool]:
    # A column of the host's is compared in its own type, so that its index is used.
    return (
        has_id(column, [value])
        if isinstance(column, sa.Column)
        else sa.cast(column, sa.Text) == value
    )
