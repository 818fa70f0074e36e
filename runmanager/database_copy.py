"""What a statement reads, as the lines of PostgreSQL's COPY: its rows as it stores and prints them.

Nothing is decoded on the way, so that any value of any type comes out as ``COPY … FROM`` takes it
in again, and a million rows need no more memory than one.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.pq import ExecStatus

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    import sqlalchemy as sa

_CANCEL_SECONDS = 5


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


def copied_lines(connection: sa.Connection, statement: sa.Executable) -> Generator[bytes]:
    """What ``copy_out`` gives, line by line, in a fraction of the time that its own loop takes.

    Close it (``contextlib.closing``) where it may not be read to its end: what is still to come is
    called off. It raises errors of psycopg; a connection that is lost is given up.
    """
    driver = connection.connection.dbapi_connection
    assert isinstance(driver, psycopg.Connection)  # noqa: S101  the only driver there is
    text, values = _compiled(connection, statement)
    with psycopg.ClientCursor(driver) as cursor:
        query = cursor.mogrify(f"COPY ({text}) TO STDOUT".encode(), values).encode()
    server = driver.pgconn
    try:
        result = server.exec_(query)
        if result.status != ExecStatus.COPY_OUT:
            raise psycopg.errors.error_from_result(result)
        try:
            # Each wait is libpq's own, which lets other threads go on.
            size, line = server.get_copy_data(0)
            while size > 0:
                # The bytes themselves: a value of 200 MB would be there twice otherwise.
                yield line.obj if isinstance(line.obj, bytes) else bytes(line)
                size, line = server.get_copy_data(0)
        except GeneratorExit:
            _call_off(driver)
            raise
        _end(driver)
    except psycopg.Error as error:
        if driver.closed:
            connection.invalidate(error)
        raise


def _end(driver: psycopg.Connection[Any]) -> None:
    """Read what the server says at the end of a copy."""
    failed = None
    while (result := driver.pgconn.get_result()) is not None:
        if result.status != ExecStatus.COMMAND_OK:
            failed = failed or psycopg.errors.error_from_result(result)
    if failed is not None:
        raise failed


def _call_off(driver: psycopg.Connection[Any]) -> None:
    """End a copy whose lines nobody reads any more; the transaction has failed then."""
    with suppress(psycopg.Error):
        driver.cancel_safe(timeout=_CANCEL_SECONDS)
        while driver.pgconn.get_copy_data(0)[0] > 0:
            pass
        _end(driver)


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
