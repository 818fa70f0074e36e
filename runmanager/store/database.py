"""Store: opened once for a process, then transactions that read or write it."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Self

import psycopg
import sqlalchemy as sa

from runmanager.errors import StartError, StoreError
from runmanager.store.identity import HostIdentity
from runmanager.store.migrating import migrate
from runmanager.store.postgres import PostgresStore
from runmanager.store.sqlite import SqliteStore
from runmanager.store.tables import META

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Without its place, which is nobody's business who is not starting it.
_NAME = "Run Manager's store"
_HOST = "host"


class Store:
    """Run Manager's own data; any number of threads may use it."""

    def __init__(self, kept: SqliteStore | PostgresStore) -> None:
        self._kept = kept

    @classmethod
    def open(cls, *, folder: Path, url: sa.URL | None, host: HostIdentity) -> Self:
        """Open the store, made or brought to the present version where that is needed.

        It is the PostgreSQL database of ``url``, or else a SQLite file in ``folder``. ``host`` is
        the database that Run Manager serves: a store is of one host, and never in it. Raises
        StartError, in one sentence, where it cannot be used.
        """
        kept = SqliteStore(folder) if url is None else PostgresStore(url)
        store = cls(kept)
        try:
            with store._translated(kept.name), kept.opening(), kept.writing() as connection:
                kept.check(connection, host)
                migrate(connection, kept.name)
                _claim(connection, host, kept.name)
        except StoreError as error:
            store.close()
            raise StartError(f"Cannot start: {error.message}") from None
        except BaseException:
            store.close()
            raise
        return store

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that cannot write. Raises StoreError where the store does not answer."""
        with self._translated(_NAME), self._kept.reading() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that commits at the end of the block, or leaves nothing.

        It is to be short: on SQLite there is one at a time. Raises StoreError where it failed.
        """
        with self._translated(_NAME), self._kept.writing() as connection:
            yield connection

    def close(self) -> None:
        """Close every connection that is not in use."""
        self._kept.engine.dispose()

    @contextmanager
    def _translated(self, named: str) -> Iterator[None]:
        try:
            yield
        except (sa.exc.SQLAlchemyError, sqlite3.Error, psycopg.Error) as error:
            raise StoreError(f"{named} {self._kept.explain(error)}.") from None


def _claim(connection: sa.Connection, host: HostIdentity, named: str) -> None:
    """Write down whose store it is, or refuse another host's.

    It is written each time: a store that takes no writes is found out at the start.
    """
    is_host = META.c.name == _HOST
    text = connection.execute(sa.select(META.c.value).where(is_host)).scalar()
    if text is None:
        connection.execute(sa.insert(META).values(name=_HOST, value=host.to_text()))
        return
    owner = HostIdentity.from_text(text)
    if not owner.is_same(host):
        raise StartError(
            f"Cannot start: {named} belongs to another host's database, “{owner.name}”, and not to "
            f"“{host.name}”, which DATABASE_URL names: give each its own store, or see "
            "docs/deploy.md if it is the same one, moved or upgraded."
        )
    known = replace(host, system=host.system or owner.system)
    connection.execute(sa.update(META).where(is_host).values(value=known.to_text()))
