"""Opening the store: made where there is none, refused where it cannot or must not be used."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from runmanager.errors import StartError, StoreError
from runmanager.store import sqlite, throttles
from runmanager.store.migrating import VERSION_TABLE
from runmanager.store.tables import metadata
from tests.conftest import every_store
from tests.hosts import SHAPES, connect
from tests.stores import HOST, StorePlace, in_the_middle, note, noted, process

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runmanager.store import HostIdentity, Store
    from tests.conftest import Server

OTHER_HOST = replace(HOST, system="7000000000000000002", name="other app")


def refusal(place: StorePlace, host: HostIdentity = HOST) -> str:
    """The sentence with which this store is refused."""
    with pytest.raises(StartError) as refused:
        place.open(host)
    message = refused.value.message
    assert message.startswith("Cannot start: ")
    assert message.endswith(".")
    assert ". " not in message
    assert "Traceback" not in message
    return message


def modes(folder: Path) -> dict[str, int]:
    """The permissions of a folder and of what is in it."""
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.glob("*"))}


def tables(url: sa.URL) -> set[tuple[str, ...]]:
    """The tables of a PostgreSQL database, but for PostgreSQL's own."""
    with connect(url) as connection:
        found: list[Any] = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND oid >= 16384"
        ).fetchall()
    return set(found)


@every_store
def test_what_was_written_is_there_after_it_is_opened_again(store_place: StorePlace) -> None:
    for expected in (1, 2, 3):
        store = store_place.open()
        assert note(store, "a") == expected
        store.close()


@every_store
def test_a_block_that_fails_leaves_nothing(store: Store) -> None:
    def write_half(connection: sa.Connection) -> None:
        throttles.note(connection, "a", 1.0, 9.0)
        raise InterruptedError

    with pytest.raises(InterruptedError), store.write() as connection:
        write_half(connection)
    assert noted(store, "a") == 0


@every_store
def test_who_reads_cannot_write(store: Store) -> None:
    note(store, "a")
    with pytest.raises(StoreError), store.read() as connection:
        throttles.clear(connection, "a")
    assert noted(store, "a") == 1
    # And the connection that was read on is good for writing again.
    assert note(store, "a") == 2


@every_store
def test_the_migrations_lead_to_the_tables_that_are_used(store: Store) -> None:
    with store.read() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table": VERSION_TABLE,
                "compare_type": True,
                "compare_server_default": True,
            },
        )
        assert compare_metadata(context, metadata) == []


@every_store
def test_a_store_of_a_newer_version_is_refused(store_place: StorePlace) -> None:
    store = store_place.open()
    with store.write() as connection:
        version = sa.table(VERSION_TABLE, sa.column("version_num"))
        connection.execute(sa.update(version).values(version_num="9999"))
    store.close()
    message = refusal(store_place)
    assert "was written by a newer Run Manager (its version is 9999): update" in message


@every_store
def test_the_store_of_another_host_is_refused(store_place: StorePlace) -> None:
    store = store_place.open()
    note(store, "a")
    message = refusal(store_place, OTHER_HOST)
    assert "belongs to another host's database, “app”, and not to “other app”" in message
    store.close()
    store = store_place.open()
    assert noted(store, "a") == 1
    store.close()


@every_store
def test_a_host_keeps_its_store_when_it_is_renamed(store_place: StorePlace) -> None:
    store_place.open().close()
    store_place.open(replace(HOST, name="renamed")).close()
    assert "“renamed”, and not to “other app”" in refusal(store_place, OTHER_HOST)


@every_store
def test_a_role_that_may_not_read_the_clusters_number_keeps_it_in_the_store(
    store_place: StorePlace,
) -> None:
    store_place.open().close()
    store_place.open(replace(HOST, system=None)).close()
    refusal(store_place, replace(OTHER_HOST, name="app"))


@every_store
def test_no_sentence_of_a_store_at_work_says_where_it_is(
    store_place: StorePlace, store: Store
) -> None:
    with pytest.raises(StoreError) as failed, store.write() as connection:
        connection.execute(sa.text("SELECT * FROM no_such_table"))
    assert failed.value.message.startswith("Run Manager's store did not do this: ")
    assert str(store_place.folder) not in failed.value.message


@every_store
def test_instances_that_start_at_once_make_one_store(store_place: StorePlace) -> None:
    started = [process(open_and_note, store_place) for _ in range(6)]
    for one in started:
        one.join(60)
    assert [one.exitcode for one in started] == [0] * 6
    store = store_place.open()
    assert noted(store, "a") == 6
    store.close()


@every_store
def test_an_instance_that_is_killed_while_it_makes_the_store_leaves_none(
    store_place: StorePlace,
) -> None:
    with in_the_middle(open_half, store_place):
        pass
    store = store_place.open()
    assert note(store, "a") == 1
    store.close()


# SQLite ------------------------------------------------------------------------------------------


def test_folder_and_files_are_for_run_manager_alone(store_place: StorePlace) -> None:
    before = os.umask(0)
    try:
        store = store_place.open()
        note(store, "a")
    finally:
        os.umask(before)
    assert modes(store_place.folder) == {
        "state": 0o700,
        "runmanager.sqlite": 0o600,
        "runmanager.sqlite-wal": 0o600,
        "runmanager.sqlite-shm": 0o600,
    }
    store.close()


def test_a_file_that_others_can_read_is_closed_to_them(store_place: StorePlace) -> None:
    store_place.open().close()
    store_place.file.chmod(0o644)
    store_place.open().close()
    assert modes(store_place.folder)["runmanager.sqlite"] == 0o600


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o711, 0o770, 0o1777])
def test_a_folder_that_is_open_to_others_is_refused_and_left_as_it_is(
    tmp_path: Path, mode: int
) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    folder.chmod(mode)
    assert "is open to others: run `chmod 700` on it" in refusal(StorePlace(folder, None))
    assert modes(folder) == {"state": mode}


@pytest.mark.skipif(os.geteuid() != 0, reason="Only root can give a folder to another account.")
def test_a_folder_of_another_account_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    os.chown(folder, 65534, 65534)
    assert "belongs to another account" in refusal(StorePlace(folder, None))
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("inside", ["", "below"])
def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path, inside: str) -> None:
    (tmp_path / "taken").write_text("a file")
    folder = tmp_path / "taken" / inside
    message = refusal(StorePlace(folder, None))
    assert f"cannot keep its own data in {folder} (" in message
    assert "name another folder in RUNMANAGER_STATE_DIR" in message


def test_a_folder_where_the_file_should_be_is_refused(store_place: StorePlace) -> None:
    store_place.file.mkdir(parents=True)
    store_place.folder.chmod(0o700)
    assert "cannot be opened" in refusal(store_place)


@pytest.mark.parametrize("name", ["a b", "100%25?mode=ro#x", "Зоя & ümläut", "file:x"])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    place = StorePlace(tmp_path / name, None)
    store = place.open()
    assert note(store, "a") == 1
    assert place.file.stat().st_size > 0
    store.close()


def overwrite_all(file: Path) -> None:
    """Text where the database was."""
    file.write_bytes(b"This was a database once. " * 1000)


def overwrite_the_middle(file: Path) -> None:
    """Noise over all pages but the first."""
    with file.open("r+b") as opened:
        opened.seek(4096)
        opened.write(b"\xff" * (file.stat().st_size - 4096))


def overwrite_the_end(file: Path) -> None:
    """Noise over the last page, which nothing that is read at the start is on."""
    with file.open("r+b") as opened:
        opened.seek(-4096, os.SEEK_END)
        opened.write(b"\xff" * 4096)


def cut_off(file: Path) -> None:
    """Without its end, as after a copy that was broken off."""
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size // 2)


@pytest.mark.parametrize(
    "damage", [overwrite_all, overwrite_the_middle, overwrite_the_end, cut_off]
)
def test_a_damaged_file_is_refused_and_left_as_it_is(
    store_place: StorePlace, damage: Callable[[Path], None]
) -> None:
    store = store_place.open()
    with store.write() as connection:
        for number in range(200):
            throttles.note(connection, f"key {number}", 1.0, 9.0)
    store.close()
    damage(store_place.file)
    before = store_place.file.read_bytes()
    message = refusal(store_place)
    assert f"({store_place.file}) is damaged: stop Run Manager, put a backup" in message
    assert store_place.file.read_bytes() == before


def test_a_store_that_another_process_does_not_stop_opening_is_refused(
    store_place: StorePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "OPEN_SECONDS", 0.2)
    with in_the_middle(open_half, store_place):
        assert "another process has been opening the store" in refusal(store_place)


def test_readers_and_the_writer_do_not_wait_for_each_other(store: Store) -> None:
    note(store, "a")
    with store.write() as connection:
        throttles.note(connection, "a", 1.0, 9.0)
        assert noted(store, "a") == 1
    with store.read() as connection:
        assert throttles.read(connection, ["a"])["a"].count == 2
        note(store, "a")
        assert throttles.read(connection, ["a"])["a"].count == 2
    assert noted(store, "a") == 3


def test_a_commit_is_on_the_disk_before_it_is_answered(store: Store) -> None:
    for transaction in (store.read, store.write):
        with transaction() as connection:
            full = 2
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == full
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


# PostgreSQL --------------------------------------------------------------------------------------

in_postgres = pytest.mark.parametrize("store_kind", ["postgresql"], indirect=True)


@pytest.mark.parametrize("shape", [one.name for one in SHAPES], indirect=True)
def test_a_database_that_is_some_hosts_is_refused_and_left_as_it_is(
    server: Server, host: Any, tmp_path: Path
) -> None:
    before = tables(host.url)
    message = refusal(StorePlace(tmp_path, host.url))
    assert "RUNMANAGER_STATE_URL names a database with a table " in message
    assert tables(host.url) == before


@in_postgres
def test_a_role_that_may_make_no_tables_is_told_what_it_needs(store_place: StorePlace) -> None:
    assert store_place.url is not None
    database = store_place.url.database
    with connect(store_place.url) as connection:
        connection.execute(f"CREATE ROLE narrow_{database} LOGIN")
        narrow = StorePlace(store_place.folder, store_place.url.set(username=f"narrow_{database}"))
        assert "make the role of RUNMANAGER_STATE_URL the owner" in refusal(narrow)
        connection.execute(f"ALTER DATABASE {database} OWNER TO narrow_{database}")
    narrow.open().close()


@pytest.mark.parametrize(
    "changed",
    [
        {"query": {}, "host": "127.0.0.1", "port": 1},
        {"database": "no_such_database"},
        {"username": "no_such_role"},
    ],
)
@in_postgres
def test_a_database_that_cannot_be_reached_is_refused_without_its_address(
    store_place: StorePlace, changed: dict[str, Any]
) -> None:
    assert store_place.url is not None
    url = store_place.url.set(password="s3cret-of-ours").set(**changed)
    message = refusal(StorePlace(store_place.folder, url))
    assert "(the database that RUNMANAGER_STATE_URL names) cannot be reached: see" in message
    assert "s3cret" not in message
    assert "127.0.0.1" not in message


@in_postgres
def test_a_database_that_takes_no_writes_is_refused_also_when_nothing_is_to_be_made(
    store_place: StorePlace,
) -> None:
    store_place.open().close()
    assert store_place.url is not None
    with connect(store_place.url.set(database="postgres")) as connection:
        connection.execute(
            f"ALTER DATABASE {store_place.url.database} SET default_transaction_read_only = on"
        )
    assert "takes no writes, and nothing was written" in refusal(store_place)


@in_postgres
def test_tables_of_somebody_elses_are_not_taken_over(store_place: StorePlace) -> None:
    assert store_place.url is not None
    with connect(store_place.url) as connection:
        connection.execute("CREATE TABLE sessions (id text)")
    assert "has tables of somebody else's" in refusal(store_place)
    assert tables(store_place.url) == {("sessions",)}


# What other processes do -------------------------------------------------------------------------


def open_and_note(place: StorePlace) -> None:
    """Open the store, and count one failure in it."""
    store = place.open()
    note(store, "a")
    store.close()


def open_half(place: StorePlace, stay: Callable[[], None]) -> None:
    """Open the store, and stay in the middle of making its tables."""

    @sa.event.listens_for(sa.Engine, "before_cursor_execute")
    def _stay(_c: Any, _cursor: Any, statement: str, *_others: Any) -> None:
        if "CREATE TABLE throttles" in statement:
            stay()

    place.open()
