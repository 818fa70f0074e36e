"""Which database is which: the same by every way to it, and no other; the host's is no store."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from runmanager.database import Database
from runmanager.demo.postgres import EmbeddedPostgres
from runmanager.errors import StartError
from runmanager.settings import Settings
from runmanager.store import HostIdentity, read_identity
from tests.hosts import SHAPES, connect
from tests.pgbouncer import pgbouncer
from tests.stores import HOST, StorePlace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import sqlalchemy as sa

    from tests.conftest import Server
    from tests.hosts import HostWriter


def identity(url: sa.URL) -> HostIdentity:
    """What Run Manager learns of its host's database through this address."""
    database = Database(url, Settings())
    try:
        with database.read() as connection:
            return read_identity(connection)
    finally:
        database.close()


@pytest.fixture
def role(host: HostWriter) -> Iterator[str]:
    """A role that may do nothing."""
    name = f"nobody_{host.url.database}"
    host.execute(f"CREATE ROLE {name} LOGIN")
    yield name
    host.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


@pytest.fixture
def empty(server: Server) -> Iterator[sa.URL]:
    """A database with nothing in it: the host's own is not known by its tables."""
    database = server.clone("template0")
    yield server.url(database, SHAPES[0])
    server.drop(database)


def test_it_is_the_same_by_every_way_to_the_database(
    server: Server, host: HostWriter, role: str
) -> None:
    direct = identity(host.url)
    assert direct.system is not None
    assert direct.name == host.url.database
    assert identity(host.url.set(username=role)) == direct
    with pgbouncer(server.url("postgres", SHAPES[0])) as bouncer:
        assert identity(bouncer.set(database=host.url.database)) == direct


def test_another_database_of_the_same_server_is_another(host: HostWriter) -> None:
    other = identity(host.url.set(database="postgres"))
    assert other.system == identity(host.url).system
    assert not other.is_same(identity(host.url))


def test_it_is_the_same_after_a_restart_and_a_new_name_and_another_server_is_another(
    tmp_path: Path,
) -> None:
    with EmbeddedPostgres(tmp_path / "a", settings={"fsync": "off"}) as server:
        before = identity(server.url())
    with EmbeddedPostgres(tmp_path / "a") as server:
        assert identity(server.url()) == before
        with connect(server.url("template1")) as connection:
            connection.execute("ALTER DATABASE postgres RENAME TO renamed")
        renamed = identity(server.url("renamed"))
        assert renamed.is_same(before)
        assert renamed.name == "renamed"
    with EmbeddedPostgres(tmp_path / "b", settings={"fsync": "off"}) as server:
        other = identity(server.url())
    assert (other.database, other.name) == (before.database, before.name)
    assert not other.is_same(before)


def test_where_a_role_may_not_read_the_clusters_number_the_name_counts(
    host: HostWriter, role: str
) -> None:
    known = identity(host.url)
    host.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
    narrow = identity(host.url.set(username=role))
    assert narrow == replace(known, system=None)
    assert narrow.is_same(known)
    assert known.is_same(narrow)
    assert not narrow.is_same(replace(known, name="another"))
    assert not narrow.is_same(replace(known, database=known.database + 1))


def test_it_is_written_and_read_again() -> None:
    for one in (HOST, replace(HOST, system=None, name='a "b" / ü: {')):
        assert HostIdentity.from_text(one.to_text()) == one


def test_the_hosts_own_database_is_refused_by_every_way_to_it(
    server: Server, empty: sa.URL, tmp_path: Path
) -> None:
    host = identity(empty)
    with pgbouncer(server.url("postgres", SHAPES[0])) as bouncer, connect(empty) as connection:
        connection.execute(f"CREATE ROLE other_{empty.database} SUPERUSER LOGIN")
        for url in (
            empty,
            empty.set(username=f"other_{empty.database}"),
            bouncer.set(database=empty.database),
            # By another name of the server's folder, as by another name of a machine.
            empty.update_query_dict({"host": f"{empty.query['host']}/."}),
        ):
            with pytest.raises(StartError, match="names the host's own database, in which Run"):
                StorePlace(tmp_path, url).open(host)
        found = connection.execute("SELECT 1 FROM pg_class WHERE relkind = 'r' AND oid >= 16384")
        assert found.fetchall() == []
        connection.execute(f"DROP ROLE other_{empty.database}")


def test_a_database_beside_the_hosts_is_a_good_store(
    host: HostWriter, empty: sa.URL, tmp_path: Path
) -> None:
    StorePlace(tmp_path, empty).open(identity(host.url)).close()
