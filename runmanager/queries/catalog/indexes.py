"""The indexes of the host's tables, and what they can be used for.

Only valid and ready ones are read, and none that is partial counts as a help: it serves its own
condition only. Of a partitioned table its own are read, not its partitions'.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runmanager.host.values import stored_column

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import sqlalchemy as sa

    from runmanager.host.values import Host

_TRIGRAM_CLASSES = {"gin_trgm_ops", "gist_trgm_ops"}


@dataclass(frozen=True)
class IndexKey:
    """One key of an index.

    ``column`` is its column; of an expression only a cast to text has one, and is marked so by
    ``is_cast``. ``own_collation`` is False where the index sorts by another than the column's.
    """

    expression: str
    column: str | None
    is_cast: bool
    is_descending: bool
    nulls_first: bool
    operator_class: str
    own_collation: bool

    @property
    def nulls_last_from_the_top(self) -> bool:
        """Whether the index, read from the highest value down, ends with the NULLs.

        ``ORDER BY … DESC NULLS LAST`` can use such a key only, and plain ``DESC`` only another.
        """
        return self.is_descending != self.nulls_first

    def holds(self, column: sa.Column[Any]) -> bool:
        """Whether the key is the column itself, in a form that can be compared with it."""
        return self.column == column.name and not self.is_cast and self.own_collation


@dataclass(frozen=True)
class Index:
    """One index of the host, with its keys in order."""

    schema: str
    table: str
    name: str
    method: str
    is_unique: bool
    is_partial: bool
    keys: tuple[IndexKey, ...]


@dataclass(frozen=True)
class Reference:
    """A foreign key: ``columns`` of one table that refer to another, called ``to_table``."""

    table: sa.Table
    columns: tuple[sa.Column[Any], ...]
    to_table: str


@dataclass(frozen=True)
class Trigram:
    """PostgreSQL's extension pg_trgm as this database has it.

    ``operator_class`` is the one for GIN as the search_path finds it, None where the extension is
    not installed; ``is_available`` says whether the server could install it.
    """

    is_available: bool
    operator_class: tuple[str, ...] | None


def has_order(
    indexes: Iterable[Index], host: Host, column: sa.Column[Any], nulls_last: bool
) -> bool:
    """Whether an index has the runs with one value of ``column`` in the order of the list."""
    return any(
        index.keys[1].nulls_last_from_the_top is nulls_last
        for index in leading(indexes, column, host.runs.c.created_at)
    )


def rises(
    indexes: Iterable[Index], host: Host, column: sa.Column[Any], nulls_last: bool
) -> bool | None:
    """Whether ``column`` rises while such an index is read in the order of the list, or falls.

    None where there is no such index, or its NULLs are not where an ORDER BY has them unasked.
    """
    for index in leading(indexes, column, host.runs.c.created_at):
        first, time = index.keys[:2]
        is_usual = first.nulls_first is first.is_descending
        if is_usual and time.nulls_last_from_the_top is nulls_last:
            return first.is_descending is not time.is_descending
    return None


def leading(
    indexes: Iterable[Index], column: sa.Column[Any], then: sa.Column[Any] | None = None
) -> tuple[Index, ...]:
    """The B-trees whose first key is ``column`` and, where it is given, whose second is ``then``.

    They find rows by the first and hold them in the order of what follows, upwards or downwards:
    where the NULLs are then, ``IndexKey.nulls_last_from_the_top`` says.
    """
    wanted = [stored_column(one) for one in (column, then) if one is not None]
    return tuple(
        index
        for index in _usable(indexes, column)
        if index.method == "btree"
        and len(index.keys) >= len(wanted)
        and all(key.holds(one) for key, one in zip(index.keys, wanted, strict=False))
        # Such a class compares byte by byte, which is no order of the column's own.
        and not any(
            key.operator_class.endswith("_pattern_ops") for key in index.keys[1 : len(wanted)]
        )
    )


def leads_with(
    indexes: Iterable[Index], column: sa.Column[Any], then: sa.Column[Any] | None = None
) -> bool:
    """Whether there is an index that ``leading`` would give."""
    return bool(leading(indexes, column, then))


def finds(indexes: Iterable[Index], column: sa.Column[Any]) -> bool:
    """Whether an index finds the rows with one value of ``column``, in whatever order."""
    indexes = tuple(indexes)
    return leads_with(indexes, column) or any(
        index.method == "hash" and index.keys[0].holds(stored_column(column))
        for index in _usable(indexes, column)
    )


def begins_with(
    indexes: Iterable[Index], table: sa.Table, columns: Sequence[sa.Column[Any]]
) -> bool:
    """Whether an index finds the rows with given values of all these columns, in any order."""
    names = {column.name for column in columns}
    return any(
        {key.column for key in index.keys[: len(names)] if not key.is_cast} == names
        for index in indexes
        if index.method == "btree" and _is_on(index, table)
    ) or (len(columns) == 1 and finds(indexes, columns[0]))


def has_trigram(indexes: Iterable[Index], column: sa.Column[Any]) -> bool:
    """Whether a trigram index finds a part of the column's text."""
    return any(
        key.column == stored_column(column).name and key.operator_class in _TRIGRAM_CLASSES
        for index in _usable(indexes, column)
        for key in index.keys
    )


def _usable(indexes: Iterable[Index], column: sa.Column[Any]) -> tuple[Index, ...]:
    table = stored_column(column).table
    return tuple(index for index in indexes if _is_on(index, table))


def _is_on(index: Index, table: Any) -> bool:
    return (index.schema, index.table) == (table.schema, table.name) and not index.is_partial
