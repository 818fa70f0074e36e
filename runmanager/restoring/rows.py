"""Putting archived lines into their tables: by COPY, and by INSERT where COPY does not go."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from runmanager.archive.copy_lines import fields_of, line_of, read_field
from runmanager.batches import RefusedError
from runmanager.reach import reached
from runmanager.restoring.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    import sqlalchemy as sa

    from runmanager.archive.reading import RowsReader
    from runmanager.host.relations import ForeignKey
    from runmanager.restoring.gone import Gone, Reference
    from runmanager.restoring.targets import Target

_CHUNK_BYTES = 1 << 18
_CHUNK_ROWS = 2000


@dataclass
class Filling:
    """One try at putting the rows of some runs back; what it did counts once it is kept.

    Tables of one of the ``circles``, which refer to each other, are filled by one statement:
    PostgreSQL looks at what refers to what at its end. ``tally`` counts the rows as they went in,
    ``cleared`` the references that led to what is ``gone``. ``titled`` is the table with the runs'
    names, and the place of a name in its lines; ``titles`` are those that were found.
    """

    connection: sa.Connection
    targets: Mapping[str, Target]
    circles: Collection[frozenset[str]]
    gone: Gone
    titled: tuple[str, int] | None = None
    tally: Tally = field(default_factory=Tally)
    cleared: Counter[Reference] = field(default_factory=Counter)
    titles: dict[str, str] = field(default_factory=dict)

    def put(self, rows: RowsReader, thread_ids: Collection[str]) -> None:
        """Put the rows of these runs back. Raises RefusedError."""
        waiting: dict[str, list[bytes]] = {}
        for table, lines in rows.tables(thread_ids):
            if table.name not in self.targets:
                # Who has rows of it is not among these runs.
                continue
            target = self.targets[table.name]
            circle = next((one for one in self.circles if table.name in one), frozenset())
            if waiting and not waiting.keys() <= circle:
                _insert(self.connection, self.targets, waiting)
                waiting = {}
            made = self.tally.add(table.name, self._made(target, lines))
            if target.takes_copy and len(circle) <= 1:
                _copy(self.connection, target, made)
            elif circle:
                waiting[table.name] = [line for _run, line in made]
            else:
                for chunk in _chunks(line for _run, line in made):
                    _insert(self.connection, self.targets, {table.name: chunk})
        if waiting:
            _insert(self.connection, self.targets, waiting)

    def _made(
        self, target: Target, lines: Iterable[tuple[str, bytes]]
    ) -> Iterable[tuple[str, bytes]]:
        """The lines as they are put back: without what is left out, and what led to nothing."""
        references = self.gone.of(target)
        if self.titled is not None and self.titled[0] == target.name:
            lines = self._noting_titles(lines, self.titled[1])
        if target.is_whole and not references:
            return lines
        return self._remade(target, lines, references)

    def _noting_titles(
        self, lines: Iterable[tuple[str, bytes]], place: int
    ) -> Iterable[tuple[str, bytes]]:
        for run, line in lines:
            title = read_field(fields_of(line)[place])
            if title:
                self.titles[run] = title
            yield run, line

    def _remade(
        self,
        target: Target,
        lines: Iterable[tuple[str, bytes]],
        references: Sequence[tuple[Reference, set[tuple[bytes, ...]]]],
    ) -> Iterator[tuple[str, bytes]]:
        for run, line in lines:
            fields = fields_of(line)
            for reference, values in references:
                if reference.value_in(fields) in values:
                    self.cleared[reference] += 1
                    for place, value in reference.clears:
                        fields[place] = value
            yield run, line_of([fields[place] for place in target.fields])


def find_circles(
    keys: Iterable[ForeignKey], targets: Sequence[Target]
) -> tuple[frozenset[str], ...]:
    """The names of the tables that refer to each other, or to themselves."""
    names = {target.oid: target.name for target in targets}
    refers: dict[str, set[str]] = {name: set() for name in names.values()}
    for key in keys:
        if key.table in names and key.to_table in names:
            refers[names[key.table]].add(names[key.to_table])
    reach = {name: reached(name, refers) for name in refers}
    found = {
        frozenset(other for other in reach[name] if name in reach[other])
        for name in refers
        if name in reach[name]
    }
    return tuple(found)


def _copy(connection: sa.Connection, target: Target, lines: Iterable[tuple[str, bytes]]) -> None:
    # Core has no COPY.
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(_place(target), _names(target))
    waiting: list[bytes] = []
    size = 0
    try:
        with _driver(connection).cursor() as cursor, cursor.copy(statement) as copy:
            for _run, line in lines:
                waiting.append(line)
                size += len(line)
                if size >= _CHUNK_BYTES:
                    copy.write(b"".join(waiting))
                    waiting, size = [], 0
            copy.write(b"".join(waiting))
    except psycopg.Error as error:
        raise RefusedError(target.name, error) from error


def _insert(
    connection: sa.Connection, targets: Mapping[str, Target], lines: Mapping[str, Sequence[bytes]]
) -> None:
    """Insert the lines of some tables in one statement."""
    # Core has no OVERRIDING SYSTEM VALUE, without which an identity column takes no value.
    parts, values = [], []
    for name, of_table in lines.items():
        target = targets[name]
        numbers = range(len(target.columns))
        parts.append(
            sql.SQL(
                "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM unnest({}) AS v({})"
            ).format(
                _place(target),
                _names(target),
                sql.SQL(", ").join(
                    sql.SQL("v.{}::{}").format(_number(at), sql.SQL(target.types[at]))
                    for at in numbers
                ),
                sql.SQL(", ").join(sql.SQL("%s::text[]") for _at in numbers),
                sql.SQL(", ").join(map(_number, numbers)),
            )
        )
        rows = [[read_field(field) for field in fields_of(line)] for line in of_table]
        values += [[row[at] for row in rows] for at in numbers]
    statement = parts[0]
    if len(parts) > 1:
        inserts = (sql.SQL("{} AS ({})").format(_number(at), part) for at, part in enumerate(parts))
        statement = sql.SQL("WITH {} SELECT 1").format(sql.SQL(", ").join(inserts))
    try:
        with _driver(connection).cursor() as cursor:
            cursor.execute(statement, values)
    except psycopg.Error as error:
        raise RefusedError(next(iter(lines)), error) from error


def _chunks(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    waiting: list[bytes] = []
    for line in lines:
        waiting.append(line)
        if len(waiting) == _CHUNK_ROWS:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def _place(target: Target) -> sql.Identifier:
    return sql.Identifier(str(target.table.schema), target.table.name)


def _names(target: Target) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(column.name) for column in target.columns)


def _number(at: int) -> sql.Identifier:
    return sql.Identifier(f"c{at}")


def _driver(connection: sa.Connection) -> psycopg.Connection[Any]:
    driver = connection.connection.dbapi_connection
    assert isinstance(driver, psycopg.Connection)  # noqa: S101  the only driver there is
    return driver
