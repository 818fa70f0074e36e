"""The store as a PostgreSQL database of its own, for several instances."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from types import MappingProxyType
from typing import TYPE_CHECKING

import sqlalchemy as sa

from runmanager.database import (
    DEADLOCK_DETECTED,
    INSUFFICIENT_PRIVILEGE,
    LOCK_NOT_AVAILABLE,
    QUERY_CANCELED,
    READ_ONLY_SQL_TRANSACTION,
    SERIALIZATION_FAILURE,
    SERVER_KEEPALIVES,
    client_keepalives,
    is_away,
    sqlstate,
    waiting_for_the_disk,
)
from runmanager.errors import StartError
from runmanager.store.identity import read_identity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    from runmanager.store.identity import HostIdentity

CONNECT_TIMEOUT_SECONDS = 5
STATEMENT_TIMEOUT = "5s"
LOCK_TIMEOUT = "3s"
_POOL_SIZE = 5
_NOTHING: Mapping[str, str] = MappingProxyType({})
_OPENING_LOCK = 0x52756E4D616E  # "RunMan"
_OPENING_TIMEOUT = "30s"
# What a host has, and the store has not.
_HOST_TABLES = ("run_metadata", "checkpoints", "checkpoint_writes", "checkpoint_blobs")
_DISK_FULL = "53100"
_DUPLICATE_TABLE = "42P07"
_TOO_SLOW = "took too long and was stopped, and nothing was written: try again in a moment"
_SENTENCES = {
    QUERY_CANCELED: _TOO_SLOW,
    LOCK_NOT_AVAILABLE: _TOO_SLOW,
    DEADLOCK_DETECTED: _TOO_SLOW,
    SERIALIZATION_FAILURE: _TOO_SLOW,
    READ_ONLY_SQL_TRANSACTION: (
        "takes no writes, and nothing was written: let RUNMANAGER_STATE_URL name a server that is "
        "neither a standby nor read-only"
    ),
    _DISK_FULL: (
        "has no room left, and nothing was written: free some of its server's disk, then try again"
    ),
    INSUFFICIENT_PRIVILEGE: (
        "may not be used by its role: make the role of RUNMANAGER_STATE_URL the owner of its "
        "database"
    ),
    _DUPLICATE_TABLE: (
        "has tables of somebody else's: let RUNMANAGER_STATE_URL name a database of its own"
    ),
}
_AWAY = (
    "cannot be reached: see that its server is running, and that database, role and password in "
    "RUNMANAGER_STATE_URL are right, then try again"
)
_OTHERWISE = "did not do this: try again, and if it stays so, look at its server's log"


class PostgresStore:
    """One database, for all instances; directly or through pgbouncer."""

    name = "Run Manager's store (the database that RUNMANAGER_STATE_URL names)"

    def __init__(self, url: sa.URL) -> None:
        self.engine = sa.create_engine(
            url,
            pool_size=_POOL_SIZE,
            max_overflow=0,
            pool_timeout=CONNECT_TIMEOUT_SECONDS,
            pool_pre_ping=True,
            # Whatever the role's default is: two that count the same key at once both count.
            isolation_level="READ COMMITTED",
            connect_args={
                "connect_timeout": CONNECT_TIMEOUT_SECONDS,
                "application_name": "runmanager store",
                "client_encoding": "utf8",
                # pgbouncer in transaction mode cannot keep prepared statements.
                "prepare_threshold": None,
                **client_keepalives(url),
            },
        )
        self._reader = self.engine.execution_options(postgresql_readonly=True)

    def opening(self) -> AbstractContextManager[None]:
        """Nothing has to be made ready; check() waits for others."""
        return nullcontext()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A READ ONLY transaction; each statement has so long."""
        with self._reader.connect() as connection, connection.begin():
            _limit(connection, STATEMENT_TIMEOUT, LOCK_TIMEOUT)
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that may write; each statement has so long."""
        with self.engine.connect() as connection, connection.begin():
            # What an instance that died has locked is wanted by all others.
            _limit(connection, STATEMENT_TIMEOUT, LOCK_TIMEOUT, SERVER_KEEPALIVES)
            yield connection

    def check(self, connection: sa.Connection, host: HostIdentity) -> None:
        """Wait until nobody else opens this store; raises StartError for a host's database."""
        if read_identity(connection).is_same(host):
            raise StartError(
                "Cannot start: RUNMANAGER_STATE_URL names the host's own database, in which Run "
                "Manager keeps nothing: create a database for it, and name that."
            )
        relation = sa.table("pg_class", sa.column("relname"))
        found = connection.execute(
            sa.select(sa.func.min(relation.c.relname)).where(relation.c.relname.in_(_HOST_TABLES))
        ).scalar()
        if found is not None:
            raise StartError(
                f"Cannot start: RUNMANAGER_STATE_URL names a database with a table {found}, which "
                "is a host's: create a database for Run Manager alone, and name that."
            )
        _limit(connection, _OPENING_TIMEOUT, _OPENING_TIMEOUT)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_OPENING_LOCK)))

    def explain(self, error: Exception) -> str:
        """What an error of the driver means, and what to do: the rest of a sentence."""
        if isinstance(error, sa.exc.TimeoutError):
            return "is busy, with every connection in use: try again in a moment"
        sentence = _SENTENCES.get(sqlstate(error) or "")
        return sentence or (_AWAY if is_away(error) else _OTHERWISE)


def _limit(
    connection: sa.Connection,
    statement_timeout: str,
    lock_timeout: str,
    more: Mapping[str, str] = _NOTHING,
) -> None:
    # Local to the transaction: nothing leaks through a pooler.
    values = {"statement_timeout": statement_timeout, "lock_timeout": lock_timeout, **more}
    settings = [sa.func.set_config(*one, True) for one in values.items()]
    # An operation that is begun is written down, whatever the server's commits wait for.
    connection.execute(sa.select(*settings, waiting_for_the_disk()))
