"""What a statement reads, as the lines of PostgreSQL's COPY: its rows as it stores and prints them.

Nothing is decoded on the way, so that any value of any type comes out as ``COPY … FROM`` takes it
in again, and a million rows need no more memory than one.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa


@contextmanager
def copy_out(connection: sa.Connection, statement: sa.Executable) -> Iterator[psycopg.Copy]:
    """The copy of what ``statement`` reads or returns; each item of it is one whole line.

    COPY takes no bound parameters: the driver quotes the values itself, as it does for
    ``ClientCursor``. What it raises are errors of psycopg, not of SQLAlchemy.
    """
    driver = connection.connection.dbapi_connection
    assert isinstance(driver, psycopg.Connection)  # noqa: S101  the only driver there is
    text, values = _compiled(connection, statement)
    # Core has no COPY; the statement inside is Core's own.
    with (
        psycopg.ClientCursor(driver) as cursor,
        cursor.copy(f"COPY ({text}) TO STDOUT".encode(), values) as copy,
    ):
        yield copy


def _compiled(connection: sa.Connection, statement: sa.Executable) -> tuple[str, dict[str, Any]]:
    """The SQL of ``statement`` with its placeholders, and their values as the driver takes them."""
    compiled = statement.compile(  # type: ignore[attr-defined]
        dialect=connection.dialect, compile_kwargs={"render_postcompile": True}
    )
    values: dict[str, Any] = {}
    for name, value in compiled.params.items():
        # Each value of an IN has a name of its own: that of all of them, and a number.
        known = name if name in compiled.binds else name.rpartition("_")[0]
        bind = compiled.binds[known]
        process = bind.type.dialect_impl(connection.dialect).bind_processor(connection.dialect)
        values[name] = value if process is None else process(value)
    return str(compiled), values
