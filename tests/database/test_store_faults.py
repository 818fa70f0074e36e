"""A store at work that is busy, full, damaged, away or killed: one sentence, nothing by halves."""

from __future__ import annotations

import resource
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from runmanager.errors import StoreError
from runmanager.store import postgres, sessions, sqlite, throttles
from tests.conftest import every_store
from tests.hosts import SHAPES, connect
from tests.pgbouncer import pgbouncer
from tests.polling import wait_until
from tests.stores import FOREVER, StorePlace, in_the_middle, note, noted, process, session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runmanager.store import Store
    from tests.conftest import Server

in_postgres = pytest.mark.parametrize("store_kind", ["postgresql"], indirect=True)
PATIENCE = 0.3


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stores that are opened from here on wait a moment only."""
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", PATIENCE)
    monkeypatch.setattr(postgres, "CONNECT_TIMEOUT_SECONDS", PATIENCE)
    monkeypatch.setattr(postgres, "LOCK_TIMEOUT", f"{PATIENCE}s")


def refusal(store: Store, key: str = "a") -> str:
    """The sentence with which a failure cannot be counted."""
    with pytest.raises(StoreError) as refused:
        note(store, key)
    return sentence(refused.value)


def reading_refusal(store: Store) -> str:
    """The sentence with which nothing can be read."""
    with pytest.raises(StoreError) as refused:
        noted(store, "a")
    return sentence(refused.value)


def sentence(error: StoreError) -> str:
    """The message of an error, which is one sentence about the store."""
    assert error.message.startswith("Run Manager's store ")
    assert error.message.endswith(".")
    assert ". " not in error.message
    assert error.__cause__ is None
    return error.message


def write_until(place: StorePlace, key: str, times: int) -> None:
    """Another process: open the store and count so many failures, each by itself."""
    store = place.open()
    for _ in range(times):
        note(store, key)
    store.close()


def write_half(place: StorePlace, stay: Callable[[], None]) -> None:
    """Another process: write two tables, and stay before the end of the transaction."""
    store = place.open()
    with store.write() as connection:
        sessions.create(connection, session("half"))
        throttles.note(connection, "a", 1000.0, FOREVER)
        stay()


@every_store
def test_processes_that_write_at_once_lose_nothing(store_place: StorePlace, store: Store) -> None:
    started = [process(write_until, store_place, "a", 100) for _ in range(2)]
    while any(one.is_alive() for one in started):
        note(store, "b")
        noted(store, "a")
    assert [one.exitcode for one in started] == [0, 0]
    assert noted(store, "a") == 200


@every_store
def test_many_threads_read_and_write_at_once(store: Store) -> None:
    def work(number: int) -> None:
        with store.write() as connection:
            sessions.create(connection, session(str(number)))
        for _ in range(5):
            note(store, "a")
        noted(store, "a")

    with ThreadPoolExecutor(40) as threads:
        list(threads.map(work, range(80)))
    assert noted(store, "a") == 400
    with store.read() as connection:
        assert len(sessions.live(connection, [str(one) for one in range(80)], 1500.0)) == 80


@every_store
def test_an_instance_that_is_killed_while_it_writes_leaves_nothing_and_no_lock(
    store_place: StorePlace, store: Store
) -> None:
    note(store, "b")
    with in_the_middle(write_half, store_place) as killed:
        killed.kill()
        killed.join()
        assert note(store, "a") == 1
    with store.read() as connection:
        assert sessions.find(connection, "half") is None
    store.close()
    store = store_place.open()
    assert (noted(store, "a"), noted(store, "b")) == (1, 1)
    store.close()


@pytest.mark.usefixtures("impatient")
@every_store
def test_what_another_process_holds_is_busy_and_then_goes_on(store_place: StorePlace) -> None:
    store = store_place.open()
    assert note(store, "a") == 1
    with in_the_middle(write_half, store_place):
        message = refusal(store)
        assert "is busy, as somebody" in message or "took too long and was stopped" in message
        assert message.endswith("try again in a moment.")
        # Who reads does not wait.
        assert noted(store, "a") == 1
    assert note(store, "a") == 2
    store.close()


@pytest.mark.usefixtures("impatient")
@every_store
def test_a_thread_that_writes_too_long_is_not_waited_for_forever(store_place: StorePlace) -> None:
    store = store_place.open()
    with ThreadPoolExecutor(1) as other, store.write() as connection:
        throttles.note(connection, "a", 1000.0, FOREVER)
        message = other.submit(refusal, store).result()
        assert "is busy" in message or "took too long" in message
    assert note(store, "a") == 2
    store.close()


@pytest.mark.usefixtures("impatient")
@every_store
def test_when_every_connection_is_in_use_it_is_busy(store_place: StorePlace) -> None:
    store = store_place.open()
    with ExitStack() as stack:
        pool = store._kept.engine.pool
        assert isinstance(pool, sa.QueuePool)
        for _ in range(pool.size()):
            stack.enter_context(store.read())
        assert "is busy" in reading_refusal(store)
    assert noted(store, "a") == 0
    store.close()


# SQLite ------------------------------------------------------------------------------------------


def test_threads_that_wait_to_write_leave_the_connections_to_who_reads(store: Store) -> None:
    # They would also be refused now and then: SQLite's own waiting is unfair.
    pool = store._kept.engine.pool
    assert isinstance(pool, sa.QueuePool)
    with ThreadPoolExecutor(20) as threads:
        with store.write():
            waiting = [threads.submit(note, store, "a") for _ in range(20)]
            time.sleep(PATIENCE)
            assert pool.checkedout() == 1
            assert noted(store, "a") == 0
        assert sorted(one.result() for one in waiting) == list(range(1, 21))


def test_when_it_is_full_nothing_is_written_until_there_is_room(store: Store) -> None:
    # The pool gives this thread the same connection each time.
    with store.write() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    written = 0
    message = ""
    while not message:
        try:
            with store.write() as connection:
                sessions.create(connection, session(f"full {written}"))
                throttles.note(connection, f"{written} {'x' * 200}", 1000.0, FOREVER)
        except StoreError as error:
            message = sentence(error)
        else:
            written += 1
    assert "has no room left, and nothing was written: make room" in message
    assert written > 0
    with store.read() as connection:
        assert sessions.find(connection, f"full {written}") is None
        assert sessions.find(connection, f"full {written - 1}") is not None
    with store.write() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 100000")
    assert note(store, "a") == 1


def test_damage_while_it_runs_is_told(store_place: StorePlace, store: Store) -> None:
    with store.write() as connection:
        for number in range(500):
            throttles.note(connection, f"key {number}", 1.0, FOREVER)
    store.close()
    with closing(sqlite3.connect(store_place.file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with store_place.file.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (store_place.file.stat().st_size - 4096))
    assert "is damaged: stop Run Manager, put a backup of runmanager.sqlite" in reading_refusal(
        store
    )
    assert "is damaged" in refusal(store)


def test_a_file_that_is_gone_is_told_and_not_begun_anew(
    store_place: StorePlace, store: Store
) -> None:
    note(store, "a")
    store.close()
    for path in store_place.folder.iterdir():
        path.unlink()
    assert "cannot be opened: see that its file is still in the folder" in refusal(store)
    assert list(store_place.folder.iterdir()) == []


def test_a_disk_that_fails_is_told_and_leaves_nothing(store: Store) -> None:
    def write_much(connection: sa.Connection) -> None:
        sessions.create(connection, session("half"))
        for number in range(1000):
            throttles.note(connection, f"{number} {'x' * 200}", 1000.0, FOREVER)

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The system refuses to let a file grow beyond this, as a quota does.
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(StoreError) as failed, store.write() as connection:
            write_much(connection)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "could not be read or written by its disk: see that" in sentence(failed.value)
    with store.read() as connection:
        assert sessions.find(connection, "half") is None
    assert note(store, "a") == 1


# PostgreSQL --------------------------------------------------------------------------------------


@contextmanager
def away(url: sa.URL) -> Iterator[None]:
    """Let nobody but the test reach this database, and end who is there."""
    with connect(url.set(database="postgres")) as server:
        server.execute(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS false")
        server.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s",
            [url.database],
        )
        try:
            yield
        finally:
            server.execute(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS true")


@in_postgres
def test_while_it_is_away_that_is_said_and_then_it_goes_on(
    store_place: StorePlace, store: Store
) -> None:
    assert store_place.url is not None
    note(store, "a")
    with away(store_place.url):
        assert "cannot be reached: see that its server is running" in refusal(store)
        assert "cannot be reached" in reading_refusal(store)
    assert note(store, "a") == 2


@in_postgres
def test_a_restart_between_two_uses_is_not_noticed(store_place: StorePlace, store: Store) -> None:
    assert store_place.url is not None
    note(store, "a")
    with away(store_place.url):
        pass
    assert note(store, "a") == 2


@in_postgres
def test_a_connection_that_is_lost_in_the_middle_leaves_nothing(
    store_place: StorePlace, store: Store
) -> None:
    url = store_place.url
    assert url is not None

    def lose(connection: sa.Connection) -> None:
        throttles.note(connection, "a", 1000.0, FOREVER)
        with away(url):
            pass
        throttles.note(connection, "b", 1000.0, FOREVER)

    with pytest.raises(StoreError) as lost, store.write() as connection:
        lose(connection)
    assert "cannot be reached" in sentence(lost.value)
    assert (noted(store, "a"), noted(store, "b")) == (0, 0)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("53100", "has no room left, and nothing was written"),
        ("42501", "may not be used by its role"),
        ("25006", "takes no writes, and nothing was written"),
        ("40P01", "took too long and was stopped"),
        ("57014", "took too long and was stopped"),
        ("XX001", "did not do this: try again, and if it stays so, look at its server's log"),
    ],
)
@in_postgres
def test_what_the_server_refuses_is_told_and_leaves_nothing(
    store_place: StorePlace, store: Store, state: str, said: str
) -> None:
    assert store_place.url is not None
    with connect(store_place.url) as owner:
        owner.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" RAISE EXCEPTION 'a secret of the server' USING ERRCODE = '{state}'; END $$;"
            "CREATE TRIGGER refuse BEFORE INSERT ON throttles FOR EACH ROW"
            " WHEN (NEW.key = 'b') EXECUTE FUNCTION refuse()"
        )

    def write_both(connection: sa.Connection) -> None:
        sessions.create(connection, session("half"))
        throttles.note(connection, "b", 1000.0, FOREVER)

    with pytest.raises(StoreError) as refused, store.write() as connection:
        write_both(connection)
    assert said in sentence(refused.value)
    assert "secret" not in refused.value.message
    with store.read() as connection:
        assert sessions.find(connection, "half") is None


@in_postgres
def test_a_statement_that_takes_too_long_is_stopped(
    store_place: StorePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "STATEMENT_TIMEOUT", f"{PATIENCE}s")
    store = store_place.open()
    for transaction in (store.read, store.write):
        with pytest.raises(StoreError) as stopped, transaction() as connection:
            connection.execute(sa.select(sa.func.pg_sleep(30)))
        assert "took too long and was stopped" in sentence(stopped.value)
    store.close()


@in_postgres
def test_instances_that_tidy_up_while_others_count_never_wait_for_each_other(
    store_place: StorePlace,
) -> None:
    mine, others = store_place.open(), store_place.open()
    note(mine, "name", 1.0)
    note(mine, "address", 1.0)
    with mine.write() as connection:
        throttles.note(connection, "address", 2.0, FOREVER)
        # It would wait for the address, and the next line for what it has taken by then.
        with others.write() as other:
            assert throttles.purge(other, 5.0) == 1
        assert throttles.note(connection, "name", 2.0, FOREVER).count == 1
    mine.close()
    others.close()


@in_postgres
def test_behind_pgbouncer_it_starts_and_works_and_nothing_stays_on_its_connections(
    server: Server, store_place: StorePlace
) -> None:
    assert store_place.url is not None
    shown = "SELECT current_setting('statement_timeout'), current_setting('lock_timeout')"
    with pgbouncer(server.url("postgres", SHAPES[0])) as bouncer:
        behind = StorePlace(store_place.folder, bouncer.set(database=store_place.url.database))
        started = [process(write_until, behind, "a", 10) for _ in range(3)]
        for one in started:
            one.join(60)
        assert [one.exitcode for one in started] == [0, 0, 0]
        store = behind.open()
        with ThreadPoolExecutor(10) as threads:
            list(threads.map(lambda _: note(store, "a"), range(50)))
        assert noted(store, "a") == 80
        with connect(behind.url) as connection:  # type: ignore[arg-type]  # it has one
            prepared = connection.execute("SELECT count(*) FROM pg_prepared_statements")
            assert prepared.fetchone() == (0,)
            assert connection.execute(shown).fetchone() == ("0", "0")
        store.close()


@in_postgres
def test_it_holds_a_small_pool(store_place: StorePlace, store: Store) -> None:
    assert store_place.url is not None
    with ThreadPoolExecutor(20) as threads:
        list(threads.map(lambda _: note(store, "a"), range(100)))
    with connect(store_place.url) as connection:
        wait_until(
            lambda: (
                connection.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                    " AND application_name = 'runmanager store'"
                ).fetchone()
                == (postgres._POOL_SIZE,)
            )
        )
