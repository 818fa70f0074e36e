"""Engines and transactions: read() is READ ONLY with a time limit, write() is a short one."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager, nullcontext
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import psycopg
import sqlalchemy as sa

from runmanager.clamped_times import register_loaders
from runmanager.errors import (
    DatabaseAwayError,
    DatabaseDeniedError,
    DatabaseError,
    DatabaseTooSlowError,
    RunManagerError,
    SchemaChangedError,
)
from runmanager.text import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runmanager.settings import Settings

CONNECT_TIMEOUT_SECONDS = 5
WRITE_TIMEOUT_SECONDS = 60.0
MAX_OPERATIONS = 2
# A machine that dies says nothing to whoever is at the other end. Unless they ask they find out
# after two hours, for which its transaction keeps its locks. So both ask, and know in a minute: by
# what the kernel asks of a quiet connection, and by how long it waits for an answer.
# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-KEEPALIVES
_CLIENT_KEEPALIVES: Mapping[str, int] = MappingProxyType(
    {
        "keepalives_idle": 20,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 50_000,
    }
)
# https://www.postgresql.org/docs/current/runtime-config-connection.html#GUC-TCP-KEEPALIVES-IDLE
SERVER_KEEPALIVES: Mapping[str, str] = MappingProxyType(
    {
        "tcp_keepalives_idle": "20s",
        "tcp_keepalives_interval": "10s",
        "tcp_keepalives_count": "3",
        "tcp_user_timeout": "50s",
    }
)
_NOTHING: Mapping[str, str] = MappingProxyType({})
# SQLSTATE values, https://www.postgresql.org/docs/current/errcodes-appendix.html
QUERY_CANCELED = "57014"
LOCK_NOT_AVAILABLE = "55P03"
DEADLOCK_DETECTED = "40P01"
INSUFFICIENT_PRIVILEGE = "42501"
FOREIGN_KEY_VIOLATION = "23503"
RESTRICT_VIOLATION = "23001"
SERIALIZATION_FAILURE = "40001"
READ_ONLY_SQL_TRANSACTION = "25006"
TOO_MANY_CONNECTIONS = "53300"
# A table, column or schema that is not there, or values of types that cannot be compared.
_SCHEMA_CHANGED = {"42P01", "42703", "3F000", "42883", "42804"}
# pgbouncer's words for it, which come without a code.
_REFUSED_BY_POOLER = "unsupported startup parameter"


class Database:
    """One bounded pool of connections to the host's database.

    Each operation at work holds one of them; ``max_operations`` is how many may be at work.
    """

    def __init__(self, url: sa.URL, settings: Settings) -> None:
        self._settings = settings
        size = settings.pool_size
        self.max_operations = min(MAX_OPERATIONS, size // 2)
        # Beside one slow reader and all operations there is a connection left (in a pool of two,
        # there is none to leave).
        self._shares = Shares(max(1, min(size // 2, size - self.max_operations - 1)))
        self._engine = sa.create_engine(
            url,
            pool_size=size,
            max_overflow=0,
            pool_timeout=CONNECT_TIMEOUT_SECONDS,
            pool_pre_ping=True,
            connect_args={
                "connect_timeout": CONNECT_TIMEOUT_SECONDS,
                "application_name": "runmanager",
                # A host's own encoding could not send an emoji, nor read one.
                "client_encoding": "utf8",
                # Unprepared: generic plans were measured to be worse, and pgbouncer in transaction
                # mode cannot keep prepared statements.
                "prepare_threshold": None,
                **client_keepalives(url),
            },
        )
        self._reading = self._engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        # Whatever the host made its default: a deletion that waited for a lock must see what it
        # then finds, not the snapshot it began with.
        self._writing = self._engine.execution_options(
            isolation_level="READ COMMITTED", postgresql_readonly=None
        )
        sa.event.listen(self._engine, "connect", register_loaders)

    @property
    def statement_timeout(self) -> float:
        """Seconds after which a reading statement is stopped."""
        return self._settings.statement_timeout

    @contextmanager
    def read(
        self, reader: str | None = None, *, seconds: float | None = None
    ) -> Iterator[sa.Connection]:
        """A READ ONLY transaction on one snapshot; each statement has so long.

        ``seconds`` are the settings' unless others are given. A ``reader`` who is named gets no
        more than their share of the pool. Raises DatabaseError, whose subclasses say whether it was
        away, too slow or denied.
        """
        share = nullcontext() if reader is None else self._shares.held_by(reader)
        timeout = self._settings.statement_timeout if seconds is None else seconds
        with share, translated(), self._reading.connect() as connection, connection.begin():
            _limit(connection, statement_timeout=timeout)
            yield connection

    @contextmanager
    def write(self, *, lock_timeout: float | None = None) -> Iterator[sa.Connection]:
        """A transaction that commits at the end of the block, or leaves nothing.

        It waits ``lock_timeout`` seconds (by default the settings') for another's lock. Database
        errors pass through as they are: a deletion needs to read them.
        """
        with self._writing.connect() as connection, connection.begin():
            _limit(
                connection,
                # Nobody takes over what it is at work on before the server lets go of its locks.
                SERVER_KEEPALIVES,
                is_durable=True,
                statement_timeout=WRITE_TIMEOUT_SECONDS,
                lock_timeout=lock_timeout or self._settings.lock_timeout,
            )
            yield connection

    def close(self) -> None:
        """Close every connection that is not in use."""
        self._engine.dispose()


class Shares:
    """Who holds how many connections of a pool: nobody more than ``at_most`` at a time."""

    def __init__(self, at_most: int) -> None:
        self._at_most = at_most
        self._held: Counter[str] = Counter()
        self._given_back = threading.Condition()

    @contextmanager
    def held_by(self, reader: str) -> Iterator[None]:
        """One of the reader's connections; where they hold all of theirs, once one is given back.

        Raises DatabaseTooSlowError where none is for as long as the pool itself is waited for.
        """
        with self._given_back:
            is_free = self._given_back.wait_for(
                lambda: self._held[reader] < self._at_most, CONNECT_TIMEOUT_SECONDS
            )
            if not is_free:
                raise DatabaseTooSlowError(
                    "Your earlier requests are still being answered, and hold your share of the "
                    "connections to the database. Wait a moment, then try again."
                )
            self._held[reader] += 1
        try:
            yield
        finally:
            with self._given_back:
                self._held[reader] -= 1
                if not self._held[reader]:
                    del self._held[reader]
                self._given_back.notify_all()


def client_keepalives(url: sa.URL) -> dict[str, int]:
    """How a connection to ``url`` finds out that its server's machine died; what it says counts."""
    return {name: value for name, value in _CLIENT_KEEPALIVES.items() if name not in url.query}


def _limit(
    connection: sa.Connection,
    more: Mapping[str, str] = _NOTHING,
    *,
    is_durable: bool = False,
    **seconds: float,
) -> None:
    values = {name: _milliseconds(value) for name, value in seconds.items()}
    # A host's own DateStyle could not be read at all. Compiling a statement first costs more than
    # any of ours gains by it.
    more = {**values, **more, "datestyle": "ISO", "timezone": "UTC", "jit": "off"}
    _set_locally(connection, more, is_durable=is_durable)


def _milliseconds(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}ms"


def _set_locally(
    connection: sa.Connection, values: Mapping[str, str], *, is_durable: bool = False
) -> None:
    # set_config(…, is_local => true) is SET LOCAL as a function: it ends with the transaction, so
    # nothing leaks through a pooler.
    connection.execute(_local_settings(tuple(values), is_durable), values)


@cache
def _local_settings(names: tuple[str, ...], is_durable: bool) -> sa.Select[Any]:
    columns = [sa.func.set_config(name, sa.bindparam(name), True) for name in names]
    return sa.select(*columns, *([waiting_for_the_disk()] if is_durable else []))


def waiting_for_the_disk() -> sa.Function[Any]:
    """Lets this transaction's COMMIT wait for the disk, for an expression in a SELECT.

    Where the server's own setting is not to wait, a crash takes the last commits with it: runs that
    were said to be deleted would be there again.
    https://www.postgresql.org/docs/current/wal-async-commit.html
    """
    name = "synchronous_commit"
    present = sa.func.current_setting(name)
    return sa.func.set_config(name, sa.case((present == "off", "local"), else_=present), True)


@contextmanager
def stopped_after(connection: sa.Connection, seconds: float) -> Iterator[None]:
    """Give each statement inside the block so long; the transaction goes on whatever they do.

    Raises DatabaseError, DatabaseTooSlowError above all, for one that fails. What is written inside
    is not kept.
    """
    with translated():
        savepoint = connection.begin_nested()
        try:
            _set_locally(connection, {"statement_timeout": _milliseconds(seconds)})
            yield
        finally:
            # In any case: that gives the time limit from before back as well.
            savepoint.rollback()


def cancel(connection: sa.Connection) -> None:
    """End the statement that another thread has at work; it fails there as one that is too slow."""
    driver = connection.connection.dbapi_connection
    assert isinstance(driver, psycopg.Connection)  # noqa: S101  the only driver there is
    with translated():
        driver.cancel_safe(timeout=CONNECT_TIMEOUT_SECONDS)


@contextmanager
def translated() -> Iterator[None]:
    """Turn what the driver raises inside the block into the error tree, without its text."""
    try:
        yield
    except (sa.exc.SQLAlchemyError, psycopg.Error) as error:
        raise translate(error) from None


def translate(error: Exception) -> RunManagerError:
    """The error of our tree that says what ``error``, from SQLAlchemy or psycopg, means."""
    if isinstance(error, sa.exc.TimeoutError):
        return DatabaseTooSlowError(
            "Every connection to the database is in use. Wait a moment, then try again."
        )
    state = sqlstate(error)
    if state in {QUERY_CANCELED, LOCK_NOT_AVAILABLE}:
        return DatabaseTooSlowError()
    if state in {SERIALIZATION_FAILURE, DEADLOCK_DETECTED}:
        # A reader of one snapshot meets them on a standby only, which replays its primary's VACUUM.
        return DatabaseTooSlowError(
            "The database stopped this so that its replica could keep up. Try again."
        )
    if state == INSUFFICIENT_PRIVILEGE:
        said = diagnostic(error)
        if said is None or not said.message_primary:
            return DatabaseDeniedError()
        # PostgreSQL's own words name the table, in whatever language it speaks; its fields do not.
        return DatabaseDeniedError(
            f"The database role may not do this ({shorten(said.message_primary, 300)}). Grant what "
            "docs/own-database.md lists, then try again."
        )
    if is_schema_changed(error):
        return SchemaChangedError()
    if state is None and _REFUSED_BY_POOLER in str(getattr(error, "orig", error)):
        return DatabaseError(
            "The pooler in front of the database takes no options: leave them out of the address, "
            "and set the search_path of the role instead."
        )
    if is_away(error):
        return DatabaseAwayError()
    return DatabaseError()


def sqlstate(error: Exception) -> str | None:
    """The SQLSTATE that PostgreSQL gave, or None where the error is not its own."""
    original = getattr(error, "orig", error)
    return getattr(original, "sqlstate", None)


def is_schema_changed(error: Exception) -> bool:
    """Whether a table, column or type is not what the schema said when it was read."""
    return sqlstate(error) in _SCHEMA_CHANGED


def is_away(error: Exception) -> bool:
    """Whether the connection could not be made or was lost.

    Class 08 is a connection's end, 57P a server that stops or starts; without a code it was the
    client side that noticed.
    """
    state = sqlstate(error)
    if state is not None:
        return state.startswith(("08", "57P", "28", "3D")) or state == TOO_MANY_CONNECTIONS
    original = getattr(error, "orig", error)
    return isinstance(original, (psycopg.OperationalError, psycopg.InterfaceError))


def diagnostic(error: Exception) -> psycopg.errors.Diagnostic | None:
    """PostgreSQL's own fields of an error (table, constraint, primary message), if it sent any."""
    original = getattr(error, "orig", error)
    return original.diag if isinstance(original, psycopg.Error) else None
