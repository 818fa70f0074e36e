"""Columns of the host's as they are asked for: by the names that they may have, of any type.

A table of the host's may lack a column, or have it in a type that cannot be compared, ordered or
grouped; a page that is about one run must not fail for that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

if TYPE_CHECKING:
    from collections.abc import Iterable

_WITHOUT_ORDER = {
    "json", "xml", "point", "line", "lseg", "box", "path", "polygon", "circle", "xid", "cid",
    "jsonpath", "refcursor", "pg_snapshot", "txid_snapshot",
}  # fmt: skip
_TEXT = {"text", "character varying", "character"}
# A NUL or half of a surrogate pair: ``->>`` refuses a whole json for one, wherever it stands.
_HIGH, _LOW = r"\\u[dD][89abAB][0-9a-fA-F]{2}", r"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_NO_TEXT = rf"\\u0000|{_HIGH}(?!{_LOW})|(?<!{_HIGH}){_LOW}"


def first(table: sa.Table, *names: str) -> sa.Column[Any] | None:
    """The first of these columns that the table has."""
    return next((table.c[name] for name in names if name in table.c), None)


def or_null(column: sa.Column[Any] | None) -> sa.ColumnElement[Any]:
    """The column, or NULL where there is none."""
    return sa.null() if column is None else column


def text_of(column: sa.Column[Any] | None) -> sa.ColumnElement[Any]:
    """The column's value as PostgreSQL prints it, which can be grouped by whatever its type is."""
    return sa.cast(or_null(column), sa.Text)


def sortable(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """The column as it can be ordered by: as text where its type has no order."""
    kind = str(column.info["type"]).removesuffix("[]")
    return sa.cast(column, sa.Text) if kind in _WITHOUT_ORDER else column


def json_field(column: sa.Column[Any] | None, name: str) -> sa.ColumnElement[Any]:
    """A field of the JSON in ``column`` as text; NULL where the column holds no JSON, or none yet.

    It is NULL too for a document that PostgreSQL keeps but cannot take apart, as ``json`` may be.
    """
    if column is None or not isinstance(column.type, JSONB):
        return sa.cast(sa.null(), sa.Text)
    found: sa.ColumnElement[Any] = column[name].astext
    if column.info["type"] == "jsonb":
        return found
    return sa.case((sa.cast(column, sa.Text).regexp_match(_NO_TEXT), sa.null()), else_=found)


def size_of(column: sa.Column[Any] | None) -> sa.ColumnElement[Any]:
    """How many bytes the column's value has, known without reading it.

    Of bytes and text it is their own length; of other types it is the size as stored, compressed.
    """
    if column is None:
        return sa.cast(sa.null(), sa.Integer)
    if column.info["type"] in {"bytea", *_TEXT}:
        return sa.func.octet_length(column)
    if column.info["type"] == "json":
        return sa.func.octet_length(sa.cast(column, sa.Text))
    return sa.func.pg_column_size(column)


def stored_bytes(columns: Iterable[sa.Column[Any] | None]) -> sa.ColumnElement[Any]:
    """How many bytes these columns of one row take in the table; NULL where there are none."""
    there = [one for one in columns if one is not None]
    if not there:
        return sa.cast(sa.null(), sa.Integer)
    zero: sa.ColumnElement[int] = sa.literal(0)
    return sum((sa.func.coalesce(sa.func.pg_column_size(one), 0) for one in there), zero)
