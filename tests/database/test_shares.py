"""The pool's connections are shared: nobody, and no deletion, can take them all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from runmanager.database import Shares
from runmanager.deletion import execution
from runmanager.errors import DatabaseTooSlowError, RunNotFoundError
from runmanager.records import Actor
from tests.hosts import connect
from tests.outage import deletions_wait_at
from tests.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import OpenManager
    from tests.hosts import HostWriter


@pytest.fixture
def other(host: HostWriter) -> Actor:
    """Another admin than the slow one."""
    return Actor(host.add_user("grace", is_admin=True), "grace")


@contextmanager
def workspaces_locked(host: HostWriter) -> Iterator[None]:
    """Hold back, inside the block, whoever asks for the workspaces."""
    with connect(host.url) as connection, connection.transaction():
        connection.execute("LOCK TABLE workspaces")
        yield


def waiting(host: HostWriter) -> int:
    """How many of Run Manager's connections wait for a lock."""
    ((found,),) = host.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        " AND datname = current_database() AND application_name = 'runmanager'"
    )
    return int(found)


@pytest.mark.parametrize(("pool_size", "reading", "deleting"), [(3, 1, 1), (4, 1, 2), (10, 5, 2)])
def test_one_slow_admin_and_their_deletions_leave_connections_to_others(
    host: HostWriter,
    open_manager: OpenManager,
    admin: Actor,
    other: Actor,
    monkeypatch: pytest.MonkeyPatch,
    pool_size: int,
    reading: int,
    deleting: int,
) -> None:
    # All want the same run.
    monkeypatch.setattr(execution, "PATIENCE_SECONDS", (0.01,))
    manager = open_manager(pool_size=pool_size, statement_timeout=20, lock_timeout=20)
    going = host.add_run(user="kate")
    with ThreadPoolExecutor(pool_size) as threads, deletions_wait_at(host, going):
        plans = [manager.deleting.plan(admin, [going]) for _ in range(deleting + 1)]
        for plan in plans:
            manager.deleting.start(admin, plan)
        wait_until(lambda: waiting(host) == deleting)
        with workspaces_locked(host):
            slow = [threads.submit(manager.finding.workspaces, admin) for _ in range(pool_size)]
            wait_until(lambda: waiting(host) == reading + deleting)
            assert manager.finding.usernames(other) == ("kate",)
            assert waiting(host) == reading + deleting
        # Those that waited for the admin's own share get their turn.
        assert [one.result(20) for one in slow] == [()] * pool_size


def test_more_than_ones_share_waits_and_then_says_why(
    host: HostWriter,
    open_manager: OpenManager,
    admin: Actor,
    other: Actor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("runmanager.database.CONNECT_TIMEOUT_SECONDS", 1)
    manager = open_manager(pool_size=4, statement_timeout=20)
    with ThreadPoolExecutor(1) as threads:
        with workspaces_locked(host):
            slow = threads.submit(manager.finding.workspaces, admin)
            wait_until(lambda: waiting(host) == 1)
            with pytest.raises(DatabaseTooSlowError, match="Your earlier requests"):
                manager.finding.usernames(admin)
            assert manager.finding.usernames(other) == ()
        assert slow.result(20) == ()
    assert manager.finding.usernames(admin) == ()


def test_a_call_that_fails_gives_its_connection_back(
    open_manager: OpenManager, admin: Actor
) -> None:
    manager = open_manager(pool_size=4)
    for _ in range(5):
        with pytest.raises(RunNotFoundError):
            manager.reviewing.run(admin, "missing")
    assert manager.finding.usernames(admin) == ()


def test_who_holds_nothing_is_not_remembered() -> None:
    shares = Shares(2)
    with shares.held_by("ada"), shares.held_by("ada"), shares.held_by("grace"):
        assert shares._held == {"ada": 2, "grace": 1}
    assert shares._held == {}
