"""The database itself: read only, limited in time, away or back again, and never quoted."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from pages.passwords import is_password
from runmanager.database import Database
from runmanager.demo.postgres import EmbeddedPostgres
from runmanager.errors import (
    DatabaseAwayError,
    DatabaseDeniedError,
    DatabaseError,
    DatabaseTooSlowError,
    StartError,
)
from runmanager.filters import RunFilter
from runmanager.paging import PageRequest
from runmanager.service import RunManager
from runmanager.settings import Settings
from tests.hosts import connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runmanager.records import Actor
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter

PASSWORD = "s3cret-pa55"


@pytest.fixture
def database(host: HostWriter) -> Iterator[Database]:
    database = Database(host.url, Settings(statement_timeout=0.1, lock_timeout=0.1, pool_size=2))
    yield database
    database.close()


def run(database: Database, statement: str) -> object:
    with database.read() as connection:
        return connection.scalar(sa.text(statement))


def write(database: Database, statement: str) -> object:
    with database.write() as connection:
        return connection.scalar(sa.text(statement))


def test_reading_cannot_write(host: HostWriter, database: Database) -> None:
    with pytest.raises(DatabaseError):
        run(database, "INSERT INTO users (id) VALUES ('x') RETURNING id")
    assert run(database, "SHOW transaction_read_only") == "on"
    assert len(host.execute("SELECT id FROM users")) == 1


def test_reading_stands_on_one_snapshot(host: HostWriter, database: Database) -> None:
    count = sa.text("SELECT count(*) FROM run_metadata")
    with database.read() as connection:
        assert connection.scalar(count) == 0
        host.add_run()
        assert connection.scalar(count) == 0


def test_writing_sees_what_others_committed_whatever_the_hosts_default(
    host: HostWriter, database: Database
) -> None:
    name = host.url.database
    host.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'")
    run(database, "SELECT 1")
    assert write(database, "SHOW transaction_isolation") == "read committed"
    assert write(database, "SHOW transaction_read_only") == "off"


def test_nothing_leaks_from_one_transaction_into_the_next(
    host: HostWriter, database: Database
) -> None:
    assert run(database, "SHOW statement_timeout") == "100ms"
    assert write(database, "SHOW statement_timeout") == "1min"
    assert write(database, "SHOW lock_timeout") == "100ms"
    assert run(database, "SHOW lock_timeout") == "0"


def test_a_write_that_fails_leaves_nothing(host: HostWriter, database: Database) -> None:
    def write_and_fail() -> None:
        with database.write() as connection:
            connection.execute(sa.text("DELETE FROM users"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    assert len(host.execute("SELECT id FROM users")) == 1


def test_a_slow_statement_is_stopped(database: Database) -> None:
    with pytest.raises(DatabaseTooSlowError):
        run(database, "SELECT pg_sleep(5)")


def test_a_list_that_takes_too_long_is_stopped(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    manager = open_manager(statement_timeout=0.2)
    with connect(host.url) as other, other.transaction():
        other.execute("LOCK TABLE run_metadata")
        with pytest.raises(DatabaseTooSlowError):
            manager.finding.list_runs(admin, RunFilter(), PageRequest())
    assert manager.finding.list_runs(admin, RunFilter(), PageRequest()).total == 0


def test_a_pool_in_use_is_too_slow_and_says_why(
    host: HostWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runmanager.database.CONNECT_TIMEOUT_SECONDS", 1)
    database = Database(host.url, Settings(pool_size=2))
    with (
        database.read(),
        database.read(),
        pytest.raises(DatabaseTooSlowError, match="Every connection"),
    ):
        run(database, "SELECT 1")
    database.close()


def test_a_forbidden_table_is_denied(host: HostWriter) -> None:
    host.execute("CREATE ROLE nobody_at_all LOGIN")
    database = Database(host.url.set(username="nobody_at_all"), Settings())
    with pytest.raises(DatabaseDeniedError):
        run(database, "SELECT id FROM users")
    database.close()
    host.execute("DROP ROLE nobody_at_all")


def test_other_failures_say_nothing_of_the_statement(database: Database) -> None:
    with pytest.raises(DatabaseError) as caught:
        run(database, f"SELECT '{PASSWORD}'::integer")
    shown = "".join(traceback.format_exception(caught.value))
    assert type(caught.value) is DatabaseError
    assert "invalid input syntax" not in shown


UNREACHABLE = {
    "nobody listens": sa.URL.create("postgresql+psycopg", "kate", PASSWORD, "127.0.0.1", 1, "host"),
    "no such host": sa.URL.create(
        "postgresql+psycopg", "kate", PASSWORD, "no-such-host.invalid", 5432, "host"
    ),
    "no such socket": sa.URL.create(
        "postgresql+psycopg", "kate", PASSWORD, database="host", query={"host": "/nowhere"}
    ),
}


@pytest.mark.parametrize("url", UNREACHABLE.values(), ids=list(UNREACHABLE))
def test_a_database_that_cannot_be_reached_stops_the_start_in_one_sentence(
    url: sa.URL, tmp_path: Path
) -> None:
    with pytest.raises(StartError) as caught:
        RunManager.open(url, Settings(state_dir=tmp_path), is_password)
    assert caught.value.message.startswith("Cannot start: the database cannot be reached.")
    shown = "".join(traceback.format_exception(caught.value))
    assert PASSWORD not in shown
    assert url.render_as_string(hide_password=False) not in shown


@pytest.mark.parametrize("change", [{"database": "nowhere"}, {"username": "nobody_known"}])
def test_a_database_or_role_that_is_not_there_is_away(
    host: HostWriter, change: dict[str, str]
) -> None:
    database = Database(host.url.set(**change).set(password=PASSWORD), Settings())  # type: ignore[arg-type]
    with pytest.raises(DatabaseAwayError) as caught:
        run(database, "SELECT 1")
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))
    database.close()


def test_connections_that_were_ended_are_made_anew(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    manager = open_manager()
    manager.finding.usernames(admin)
    host.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'runmanager'"
    )
    assert manager.finding.usernames(admin) == ()


def test_a_server_that_stops_is_away_and_found_again_once_it_is_back(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path, settings={"fsync": "off"}).start()
    database = Database(postgres.url(), Settings(pool_size=2))
    assert run(database, "SELECT 1") == 1
    postgres.close()  # its last client: the server stops

    def outcome() -> object:
        try:
            return run(database, "SELECT 1")
        except DatabaseError as error:
            return type(error)

    while outcome() == 1:
        pass
    assert outcome() is DatabaseAwayError
    with EmbeddedPostgres(tmp_path):
        assert outcome() == 1
        database.close()


def test_text_of_any_language_reaches_a_host_of_any_encoding(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute(f"ALTER DATABASE {host.url.database} SET client_encoding = 'LATIN1'")
    run_id = host.add_run(name="🚀 launch")
    (found,) = open_manager().finding.list_runs(admin, RunFilter(search="🚀"), PageRequest()).items
    assert (found.thread_id, found.name) == (run_id, "🚀 launch")
