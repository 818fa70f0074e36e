"""A read replica: runs are read there, all else is the primary's, and nothing deleted returns."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from pages.passwords import is_password
from runmanager import replica
from runmanager.database import Database
from runmanager.errors import (
    DatabaseAwayError,
    DatabaseTooSlowError,
    HostError,
    NotAdminError,
    RunNotFoundError,
    SignedOutError,
    StartError,
)
from runmanager.filters import RunFilter
from runmanager.paging import PageRequest
from runmanager.records import Actor
from runmanager.service import RunManager
from runmanager.settings import Settings
from tests.hosts import PASSWORD, SHAPES, HostWriter, connect
from tests.operations import delete, deleted
from tests.polling import wait_until
from tests.standby import Pair

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import OpenManager, Server

# One worker opens what all of these share.
pytestmark = pytest.mark.xdist_group("replica")

_numbers = count(1)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two servers of this module's own."""
    with ExitStack() as stack:
        yield Pair(tmp_path_factory.mktemp("pair"), stack)


@pytest.fixture
def database(pair: Pair) -> Iterator[str]:
    """The name of the test's own database, on both servers."""
    name = f"replicated_{next(_numbers)}"
    pair.primary.execute(f"CREATE DATABASE {name}")
    yield name
    pair.primary.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def primary(pair: Pair, database: str) -> Iterator[HostWriter]:
    """The host at work on the primary."""
    url, _standby = pair.urls(database)
    with connect(url) as connection:
        connection.execute(SHAPES[0].ddl())
        host = HostWriter(SHAPES[0], url, connection)
        pair.catch_up()
        yield host


@pytest.fixture
def both(pair: Pair, primary: HostWriter, database: str, state_dir: Path) -> Iterator[RunManager]:
    """Run Manager on the primary, reading the standby."""
    url, standby = pair.urls(database)
    settings = Settings(pool_size=4, lock_timeout=0.3, read_url=standby, state_dir=state_dir)
    manager = RunManager.open(url, settings, is_password)
    yield manager
    manager.close()


def listed(manager: RunManager, actor: Actor, **filters: Any) -> list[str]:
    """The ids on the first page, sorted, once their number is known to be the total."""
    page = manager.finding.list_runs(actor, RunFilter(**filters), PageRequest())
    ids = sorted(run.thread_id for run in page.items)
    assert page.total == len(ids)
    return ids


def test_runs_are_read_from_the_replica(pair: Pair, primary: HostWriter, both: RunManager) -> None:
    with pair.paused():
        run = primary.add_run(user="kate")
        assert listed(both, primary.admin) == []
        assert both.finding.usernames(primary.admin) == ()
        with pytest.raises(RunNotFoundError):
            both.reviewing.run(primary.admin, run)
    pair.catch_up()
    assert listed(both, primary.admin) == [run]
    assert both.finding.usernames(primary.admin) == ("kate",)
    assert both.reviewing.run(primary.admin, run).has_row


def test_a_deletion_is_planned_and_carried_out_on_the_primary(
    pair: Pair, primary: HostWriter, both: RunManager
) -> None:
    with pair.paused():
        runs = primary.add_runs(3)
        receipt = delete(both, primary.admin, runs)
        assert deleted(receipt) == set(runs)
        assert all(primary.is_gone(run) for run in runs)
        assert receipt.came_back == ()


def test_a_deleted_run_is_not_shown_though_the_replica_still_has_it(
    pair: Pair, primary: HostWriter, both: RunManager
) -> None:
    kept = primary.add_run(user="ada", workspace="Ops", name="kept")
    gone = primary.add_runs(2, user="kate", workspace="Old", name="gone", parent_thread_id=kept)
    child = primary.add_run(name="child", parent_thread_id=gone[0])
    with pair.paused():
        delete(both, primary.admin, gone)
        assert listed(both, primary.admin) == sorted([kept, child])
        assert listed(both, primary.admin, username="kate") == []
        assert listed(both, primary.admin, search="gone") == []
        assert both.finding.usernames(primary.admin) == ("ada",)
        assert [one.name for one in both.finding.workspaces(primary.admin)] == ["Ops"]
        detail = both.reviewing.run(primary.admin, kept)
        assert (detail.reruns, detail.reruns_total) == ((), 0)
        parent = both.reviewing.run(primary.admin, child).parent
        assert parent is not None
        assert not parent.exists


def test_the_page_of_a_deleted_run_finds_nothing_of_it_on_the_replica(
    pair: Pair, primary: HostWriter, both: RunManager
) -> None:
    (run,) = primary.add_runs(1)
    page = PageRequest()
    with pair.paused():
        delete(both, primary.admin, [run])
        for read in (
            lambda: both.reviewing.run(primary.admin, run),
            lambda: both.reviewing.footprint(primary.admin, run),
            lambda: both.reviewing.log_levels(primary.admin, run, "logs"),
            lambda: both.reviewing.logs(primary.admin, run, "logs", page),
            lambda: both.reviewing.checkpoints(primary.admin, run, page),
            lambda: both.reviewing.checkpoint(primary.admin, run, "", "c1"),
            lambda: both.reviewing.blobs(primary.admin, run, page),
        ):
            with pytest.raises(RunNotFoundError):
                read()


def test_a_run_made_anew_under_a_deleted_id_is_shown_once_the_replica_has_it(
    pair: Pair, primary: HostWriter, both: RunManager
) -> None:
    run = primary.add_run(name="before")
    with pair.paused():
        delete(both, primary.admin, [run])
        primary.add_run(run, name="after")
        assert listed(both, primary.admin) == []
    pair.catch_up()
    assert listed(both, primary.admin, search="after") == [run]


def test_what_is_deleted_is_forgotten_once_the_replica_knows_it(
    pair: Pair, primary: HostWriter, both: RunManager
) -> None:
    runs = primary.add_runs(2)
    with pair.paused():
        delete(both, primary.admin, runs)
        assert hidden(both, primary) == set(runs)
    pair.catch_up()
    assert hidden(both, primary) == set()


def hidden(manager: RunManager, host: HostWriter) -> frozenset[str]:
    return manager._access.read(host.admin, lambda reading: reading.hidden)


def test_a_commit_that_is_not_on_disk_yet_is_waited_for(
    pair: Pair, primary: HostWriter, database: str, state_dir: Path
) -> None:
    run = primary.add_run()
    url, standby = pair.urls(database)
    url = url.update_query_dict({"options": "-csynchronous_commit=off"})
    manager = RunManager.open(url, Settings(read_url=standby, state_dir=state_dir), is_password)
    with pair.kept_in_memory():
        delete(manager, primary.admin, [run])
        assert listed(manager, primary.admin) == []
        assert listed(manager, primary.admin) == []
    manager.close()


def test_more_deleted_runs_than_are_remembered_are_not_shown_either(
    pair: Pair, primary: HostWriter, both: RunManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica, "MAX_HIDDEN", 1)
    runs = primary.add_runs(2)
    with pair.paused():
        delete(both, primary.admin, runs)
        fresh = primary.add_run()
        assert listed(both, primary.admin) == [fresh]  # the primary was asked
    pair.catch_up()
    assert listed(both, primary.admin) == [fresh]
    with pair.paused():
        primary.add_run()
        assert listed(both, primary.admin) == [fresh]  # the replica is asked again


def test_a_replica_that_is_no_standby_is_believed_after_an_hour(
    host: HostWriter, server: Server, open_manager: OpenManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = server.url(server.create(host.shape), host.shape)
    with connect(copy) as connection:
        other = HostWriter(host.shape, copy, connection)
        run = host.add_run()
        other.add_run(run)
        manager = open_manager(read_url=copy)
        delete(manager, host.admin, [run])
        assert listed(manager, host.admin) == []
        monkeypatch.setattr(replica, "FORGET_SECONDS", -1)
        assert listed(manager, host.admin) == [run]
        manager.close()
    server.drop(str(copy.database))


def test_an_admin_demoted_on_the_primary_is_refused_at_once(
    pair: Pair, primary: HostWriter, both: RunManager
) -> None:
    run = primary.add_run()
    other = Actor(primary.add_user("grace", is_admin=True), "grace")
    ticket = both.signing_in.sign_in("grace", PASSWORD).ticket
    pair.catch_up()
    assert listed(both, other) == [run]
    with pair.paused():
        primary.execute("UPDATE users SET is_admin = false WHERE username = 'grace'")
        for ask in (
            lambda: listed(both, other),
            lambda: both.reviewing.run(other, run),
            lambda: both.deleting.plan(other, [run]),
            lambda: both.signing_in.sign_in("grace", PASSWORD),
            lambda: both.signing_in.actor_named(other.user_id, is_username=False),
        ):
            with pytest.raises(NotAdminError):
                ask()
        with pytest.raises(SignedOutError):
            both.signing_in.actor_of(ticket)


def test_an_admin_made_on_the_primary_is_let_in_at_once(
    pair: Pair, primary: HostWriter, both: RunManager
) -> None:
    with pair.paused():
        user_id = primary.add_user("grace", is_admin=True)
        signed_in = both.signing_in.sign_in("grace", PASSWORD)
        assert signed_in.actor == Actor(user_id, "grace")
        assert both.signing_in.actor_of(signed_in.ticket) == signed_in.actor
        assert listed(both, Actor(user_id, "grace")) == []


def test_a_replica_that_is_away_says_so_and_is_found_again(
    pair: Pair, primary: HostWriter, both: RunManager
) -> None:
    run = primary.add_run()
    pair.catch_up()
    assert both.is_database_reachable()
    with pair.standby_away():
        with pytest.raises(DatabaseAwayError):
            listed(both, primary.admin)
        assert not both.is_database_reachable()
        assert both.deleting.plan(primary.admin, [run]).thread_ids == (run,)
    assert listed(both, primary.admin) == [run]


def test_a_replica_that_cannot_be_reached_stops_the_start_in_one_sentence(
    host: HostWriter, state_dir: Path
) -> None:
    nowhere = host.url.update_query_dict({"host": "/nowhere"})
    with pytest.raises(StartError) as caught:
        RunManager.open(host.url, Settings(read_url=nowhere, state_dir=state_dir), is_password)
    assert caught.value.message == (
        "Cannot start: the database cannot be reached. Check that it is running, then try again. "
        "It is the one that RUNMANAGER_READ_URL names."
    )


def test_a_replica_of_another_database_stops_the_start(host: HostWriter, state_dir: Path) -> None:
    other = host.url.set(database="postgres")
    with pytest.raises(HostError) as caught:
        RunManager.open(host.url, Settings(read_url=other, state_dir=state_dir), is_password)
    assert "no table “run_metadata”" in caught.value.message
    assert caught.value.message.endswith("It is the database that RUNMANAGER_READ_URL names.")


def test_a_reader_in_the_way_of_the_replay_is_asked_to_try_again(
    pair: Pair, primary: HostWriter, database: str
) -> None:
    primary.add_runs(5)
    pair.catch_up()
    standby = Database(pair.urls(database)[1], Settings(statement_timeout=30))

    def read() -> None:
        with standby.read() as connection:
            connection.execute(sa.text("SELECT count(*), pg_sleep(30) FROM run_metadata"))

    with ThreadPoolExecutor(1) as threads:
        reading = threads.submit(read)
        sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        wait_until(lambda: pair.standby.execute(sleeping).fetchone() == (1,))
        primary.execute("DELETE FROM run_metadata")
        primary.execute("VACUUM run_metadata")
        with pytest.raises(DatabaseTooSlowError, match="so that its replica could keep up"):
            reading.result(30)
    standby.close()


def test_a_column_dropped_while_it_is_open_is_dropped_on_the_replica_too(
    pair: Pair, primary: HostWriter, both: RunManager
) -> None:
    run = primary.add_run(sop="Handle orders")
    pair.catch_up()
    assert both.reviewing.run(primary.admin, run).sop is not None
    primary.execute("ALTER TABLE run_metadata DROP COLUMN sop")
    pair.catch_up()
    assert listed(both, primary.admin) == [run]
    assert both.reviewing.run(primary.admin, run).sop is None
