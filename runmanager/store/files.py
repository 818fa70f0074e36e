"""Files of operations that are kept in the store, in parts: where there is no other place for them.

A file whose name begins with a dot is being written; it gets its name at the end, in one
transaction with what it takes the place of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from runmanager.store.tables import FILES

if TYPE_CHECKING:
    from collections.abc import Iterable

PART_BYTES = 1 << 20
_f = FILES.c


def names(connection: sa.Connection, operation_id: str) -> tuple[str, ...]:
    """The names of an operation's files, sorted, but for those being written."""
    found = connection.execute(
        sa.select(_f.name).where(_f.operation_id == operation_id, _f.part == 0)
    ).scalars()
    # Not by the database: its order may be a language's.
    return tuple(sorted(name for name in found if not name.startswith(".")))


def has_any(connection: sa.Connection, operation_id: str) -> bool:
    """Whether an operation has a file here, be it half written."""
    found = sa.exists().where(_f.operation_id == operation_id)
    return bool(connection.execute(sa.select(found)).scalar_one())


def operation_ids(connection: sa.Connection) -> tuple[str, ...]:
    """The ids of the operations that have files, those being written too."""
    return tuple(connection.execute(sa.select(_f.operation_id).distinct()).scalars())


def put(connection: sa.Connection, operation_id: str, name: str, data: bytes) -> None:
    """Let the file ``name`` hold ``data``, in place of what it held; an empty one is there too."""
    remove(connection, operation_id, [name])
    for part, start in enumerate(range(0, max(len(data), 1), PART_BYTES)):
        add_part(connection, operation_id, name, part, data[start : start + PART_BYTES])


def add_part(
    connection: sa.Connection, operation_id: str, name: str, part: int, data: bytes
) -> None:
    """Write part ``part`` (from 0) of a file; none is longer than PART_BYTES."""
    if len(data) > PART_BYTES:
        raise ValueError("a part of a file is longer than PART_BYTES")
    connection.execute(
        sa.insert(FILES).values(operation_id=operation_id, name=name, part=part, data=data)
    )


def rename(connection: sa.Connection, operation_id: str, name: str, to: str) -> None:
    """Let the file ``name`` be ``to``, in place of what was there."""
    remove(connection, operation_id, [to])
    connection.execute(
        sa.update(FILES).where(_f.operation_id == operation_id, _f.name == name).values(name=to)
    )


def find_part(connection: sa.Connection, operation_id: str, name: str, part: int) -> bytes | None:
    """Part ``part`` of a file; None behind its last, and where there is no such file."""
    found: bytes | None = connection.execute(
        sa.select(_f.data).where(_f.operation_id == operation_id, _f.name == name, _f.part == part)
    ).scalar_one_or_none()
    return None if found is None else bytes(found)


def remove(connection: sa.Connection, operation_id: str, names: Iterable[str]) -> None:
    """Remove these files of an operation; those that are not there are no error."""
    connection.execute(
        sa.delete(FILES).where(_f.operation_id == operation_id, _f.name.in_(list(names)))
    )


def remove_half_written(connection: sa.Connection, operation_id: str) -> None:
    """Remove the files of an operation that are being written."""
    connection.execute(
        sa.delete(FILES).where(
            _f.operation_id == operation_id, _f.name.startswith(".", autoescape=True)
        )
    )


def remove_all(connection: sa.Connection, operation_id: str) -> None:
    """Remove every file of an operation, also those being written."""
    connection.execute(sa.delete(FILES).where(_f.operation_id == operation_id))


def size(connection: sa.Connection, operation_id: str | None = None) -> int:
    """How many bytes an operation's files have, or all files."""
    total = sa.select(sa.func.coalesce(sa.func.sum(sa.func.length(_f.data)), 0))
    if operation_id is not None:
        total = total.where(_f.operation_id == operation_id)
    return int(connection.execute(total).scalar_one())
