"""Reading a host's database without the service: the connection, and the schema as it is read."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from runmanager.database import Database
from runmanager.host.catalog import read_host
from runmanager.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa

    from runmanager.host.values import Host
    from tests.hosts import HostWriter


@contextmanager
def opened(host: HostWriter, url: sa.URL | None = None) -> Iterator[tuple[sa.Connection, Host]]:
    """A reading transaction on the host, and its schema."""
    database = Database(url or host.url, Settings(pool_size=2))
    try:
        with database.read() as connection:
            yield connection, read_host(connection)
    finally:
        database.close()
