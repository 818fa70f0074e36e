"""Ids as the host keeps them, uuid, text or integers, and as strings at our edge."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Iterable

INTEGER_LIMITS = {"smallint": 2**15, "integer": 2**31, "bigint": 2**63}


def native_ids(column: sa.Column[Any], texts: Iterable[str]) -> list[Any]:
    """The ids among ``texts`` that a column of this type can hold, in its own type.

    Others (not a uuid, past 64 bits, a NUL, a lone surrogate) can match no row and are left out,
    where sending them would raise. An id is its text as PostgreSQL prints it: ``007`` or a uuid in
    capitals is another id than ``7``, in a column of numbers too.
    """
    kind = column.info["type"]
    values = (_native(kind, text) for text in texts)
    return [value for value in values if value is not None]


def has_id(
    column: sa.Column[Any], texts: Iterable[str], seen: sa.ColumnElement[Any] | None = None
) -> sa.ColumnElement[bool]:
    """The condition that ``column``, or ``seen`` in its place, is one of the ids ``texts``."""
    values = native_ids(column, texts)
    if not values:
        return sa.false()
    kind = column.type if isinstance(column.type, (sa.Uuid, sa.BigInteger, sa.Text)) else sa.Text()
    own = column if seen is None else seen
    compared = own if kind is column.type else sa.cast(own, sa.Text)
    if len(values) == 1:
        # An index on (this column, a time) gives its rows in order only where it is one value.
        return compared == sa.literal(values[0], kind)
    # One array parameter: an IN list stops at 65,535 values.
    return compared == sa.any_(sa.literal(values, sa.ARRAY(kind)))


def printed_value(column: sa.Column[Any], text: str) -> sa.ColumnElement[Any]:
    """A value of ``column`` that PostgreSQL printed as ``text``, back in the column's own type."""
    return sa.cast(sa.literal(text, sa.Text), TypeByName(column.info["type"]))


def array_of(column: sa.Column[Any], texts: Iterable[str]) -> sa.ColumnElement[Any] | None:
    """Those of ``texts`` that ``column`` can hold, as one array in its own type; None for none.

    Of a type that is no id's, each must be a value that PostgreSQL printed.
    """
    values = native_ids(column, texts)
    if not values:
        return None
    if isinstance(column.type, (sa.Uuid, sa.BigInteger, sa.Text)):
        return sa.literal(values, sa.ARRAY(column.type))
    return sa.cast(sa.literal(values, sa.ARRAY(sa.Text)), TypeByName(f"{column.info['type']}[]"))


class TypeByName(sa.types.UserDefinedType[Any]):
    """Any type of PostgreSQL's or the host's, by the name that the catalog gives it."""

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_options: Any) -> str:
        """The type's name."""
        return self.name


def same_id(one: sa.ColumnElement[Any], other: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    """The condition that two id columns, perhaps of different types, hold the same id."""
    if type(one.type) is type(other.type) and not isinstance(one.type, sa.types.NullType):
        return one == other
    return sa.cast(one, sa.Text) == sa.cast(other, sa.Text)


def _native(kind: str, text: str) -> Any:
    if kind == "uuid":
        try:
            found = uuid.UUID(text)
        except ValueError:
            return None
        return found if str(found) == text else None
    if kind in INTEGER_LIMITS:
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdigit()) or len(digits) > 20:  # noqa: PLR2004  64 bits have 19
            return None
        value = int(text)
        fits = -INTEGER_LIMITS[kind] <= value < INTEGER_LIMITS[kind]
        return value if fits and str(value) == text else None
    return text if storable(text) else None


def storable(text: str) -> bool:
    """Whether PostgreSQL's text can hold ``text``: it has no NUL and no lone surrogate."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
