"""Putting back the references that a deletion cleared in rows that stayed.

Only where the row is still there and its reference still empty: what the host has put there since
is never overwritten. What cannot be put back is named, and keeps no run from coming back.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.database import INSUFFICIENT_PRIVILEGE, diagnostic, is_away, sqlstate
from runmanager.host.ids import TypeByName
from runmanager.host.relations import find_places, read_tables
from runmanager.text import shorten

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runmanager.archive.reading import ArchivedReference

_AT_ONCE = 1000


@dataclass(frozen=True)
class PutBack:
    """What became of one reference: ``reason`` is why it was not put back, None where it was."""

    table: str
    row: str
    run: str
    reason: str | None


def put_references(
    connection: sa.Connection, references: Iterable[ArchivedReference]
) -> Iterable[PutBack]:
    """Put these back, some at a time; what became of each."""
    waiting = iter(references)
    while some := list(islice(waiting, _AT_ONCE)):
        alike: dict[Any, list[ArchivedReference]] = {}
        for one in some:
            place = (one.schema, one.relation, one.constraint, tuple(one.key), tuple(one.set))
            alike.setdefault(place, []).append(one)
        for group in alike.values():
            yield from _put(connection, group)


def _put(connection: sa.Connection, group: Sequence[ArchivedReference]) -> Iterable[PutBack]:
    """Put back references of one key in one table, each of which may be refused."""
    first = group[0]
    table = _find(connection, first)
    names = (*first.key, *first.set)
    if table is None or not all(name in table.c for name in names):
        return [_not_put(one, "its table or column is no longer there") for one in group]
    try:
        with connection.begin_nested():
            done = set(connection.scalars(_statement(table, group)))
    except sa.exc.DBAPIError as error:
        if is_away(error):
            raise
        if len(group) == 1 or sqlstate(error) == INSUFFICIENT_PRIVILEGE:
            return [_not_put(one, _reason(error)) for one in group]
        middle = len(group) // 2
        return [
            *_put(connection, group[:middle]),
            *_put(connection, group[middle:]),
        ]
    return [
        PutBack(one.table, _row(one), one.run, None)
        if number in done
        else _not_put(one, "the row is gone, or refers to something else by now")
        for number, one in enumerate(group)
    ]


def _statement(table: sa.Table, group: Sequence[ArchivedReference]) -> Any:
    """The update of these references where they are still empty; it returns their places."""
    first = group[0]
    names = [*first.key, *first.set]
    columns = [[{**one.key, **one.set}[name] for one in group] for name in names]
    numbers = sa.literal(list(range(len(group))), sa.ARRAY(sa.BigInteger))
    asked = (
        sa.func.unnest(*(sa.literal(one, sa.ARRAY(sa.Text)) for one in columns), numbers)
        .table_valued(*(f"v{at}" for at in range(len(names))), "n", name="asked")
        .render_derived()
    )
    values = {
        name: sa.cast(asked.c[f"v{at}"], TypeByName(_uncut(table.c[name].info["type"])))
        for at, name in enumerate(names)
    }
    is_row = [table.c[name] == values[name] for name in first.key]
    # A part of it may have stayed, where the host's key clears some of its columns only.
    is_free = [sa.or_(table.c[name].is_(None), table.c[name] == values[name]) for name in first.set]
    is_empty = sa.or_(*(table.c[name].is_(None) for name in first.set))
    return (
        sa.update(table)
        .values({name: values[name] for name in first.set})
        .where(*is_row, *is_free, is_empty)
        .returning(asked.c.n)
    )


def _uncut(kind: str) -> str:
    """The type as a cast has it that cuts nothing off: of no length, these two mean one."""
    return {"character": "bpchar", "bit": '"bit"'}.get(kind, kind)


def _find(connection: sa.Connection, reference: ArchivedReference) -> sa.Table | None:
    place = (reference.schema, reference.relation)
    oid = find_places(connection, {place}).get(place)
    return None if oid is None else read_tables(connection, {oid}).get(oid)


def _not_put(reference: ArchivedReference, reason: str) -> PutBack:
    return PutBack(reference.table, _row(reference), reference.run, reason)


def _row(reference: ArchivedReference) -> str:
    return ", ".join(f"{name} {value}" for name, value in reference.key.items())


def _reason(error: sa.exc.DBAPIError) -> str:
    said = diagnostic(error)
    words = said.message_primary if said is not None else None
    return shorten(words or "the database refused it", 200)
