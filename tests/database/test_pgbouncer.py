"""Behind pgbouncer in transaction mode: two connections for all, and nothing stays on them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from pages.passwords import is_password
from runmanager.deletion import execution
from runmanager.deletion.reasons import LOCKED
from runmanager.errors import NotAdminError, StartError
from runmanager.filters import RunFilter
from runmanager.paging import PageRequest
from runmanager.records import Actor
from runmanager.service import RunManager
from runmanager.settings import Settings
from tests.hosts import SHAPES, connect
from tests.operations import delete, deleted, errors
from tests.pgbouncer import POOL_SIZE, pgbouncer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import sqlalchemy as sa

    from tests.conftest import OpenManager, Server
    from tests.hosts import HostWriter

# One worker opens what all of these share.
pytestmark = pytest.mark.xdist_group("pgbouncer")

SETTINGS = (
    "statement_timeout",
    "lock_timeout",
    "default_transaction_read_only",
    "default_transaction_isolation",
    "datestyle",
    "timezone",
    "search_path",
)


@pytest.fixture(scope="module")
def bouncer(server: Server) -> Iterator[sa.URL]:
    """The address of a pgbouncer in front of the worker's server."""
    with pgbouncer(server.url("postgres", SHAPES[0])) as url:
        yield url


@pytest.fixture
def behind(bouncer: sa.URL, host: HostWriter) -> sa.URL:
    """The address of the test's own database, through pgbouncer."""
    return bouncer.set(database=host.url.database)


@pytest.fixture
def manager(behind: sa.URL, open_manager: OpenManager) -> RunManager:
    """Run Manager, whose ten connections share two of the server's."""
    return open_manager(behind, pool_size=10)


def on_each_connection(behind: sa.URL, statement: str) -> list[tuple[Any, ...]]:
    """What ``statement`` answers on every connection that pgbouncer has to the server."""
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(behind)) for _ in range(POOL_SIZE)]
        for client in clients:
            stack.enter_context(client.transaction())
            client.execute("SELECT 1")
        return [row for client in clients for row in client.execute(statement).fetchall()]


def look_around(manager: RunManager, actor: Actor, run: str) -> None:
    """One of every kind of reading call."""
    page = PageRequest()
    manager.finding.list_runs(actor, RunFilter(), page)
    manager.finding.list_runs(actor, RunFilter(search="order", username="kate"), page)
    manager.finding.browse(actor, RunFilter(search="order"), page)
    assert manager.finding.usernames(actor) == ("kate",)
    assert [one.name for one in manager.finding.workspaces(actor, RunFilter(username="kate"))] == [
        "Ops"
    ]
    assert manager.reviewing.run(actor, run).has_row
    manager.reviewing.footprint(actor, run)
    manager.reviewing.logs(actor, run, "logs", page)
    manager.reviewing.checkpoints(actor, run, page)
    manager.reviewing.checkpoint(actor, run, "", "c1")
    manager.reviewing.blobs(actor, run, page)


def test_runs_are_listed_narrowed_down_and_looked_over(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    runs = host.add_runs(3, user="kate", workspace="Ops")
    host.add_run(name="🚀 launch")
    look_around(manager, admin, runs[0])
    found = manager.finding.list_runs(admin, RunFilter(username="kate"), PageRequest())
    assert sorted(run.thread_id for run in found.items) == runs
    found = manager.finding.list_runs(admin, RunFilter(search="🚀"), PageRequest())
    assert [run.name for run in found.items] == ["🚀 launch"]


def test_a_deletion_holds_its_locks_and_makes_its_checks(
    host: HostWriter, manager: RunManager, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "PATIENCE_SECONDS", (0.01,))
    runs = host.add_runs(4)
    running = host.add_run(status="running")
    plan = manager.deleting.plan(admin, [*runs, running, "missing"])
    assert [run.thread_id for run in plan.excluded] == [running]
    with connect(host.url) as other, other.transaction():
        other.execute("SELECT 1 FROM run_metadata WHERE thread_id = %s FOR UPDATE", [runs[0]])
        receipt = delete(manager, admin, runs, plan=plan)
    assert deleted(receipt) == set(runs[1:])
    assert errors(receipt)[runs[0]] == LOCKED
    assert host.counts(runs[0])["checkpoints"] == 1
    assert all(host.is_gone(run) for run in runs[1:])


def test_an_admin_who_was_demoted_is_refused(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    plan = manager.deleting.plan(admin, host.add_runs(1))
    host.execute("UPDATE users SET is_admin = false")
    with pytest.raises(NotAdminError):
        manager.deleting.start(admin, plan)
    with pytest.raises(NotAdminError):
        manager.finding.usernames(admin)


def test_many_readers_and_a_deletion_share_two_connections(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    kept = host.add_runs(1, user="kate", workspace="Ops")[0]
    going = host.add_runs(30)
    readers = [Actor(host.add_user(f"reader {n}", is_admin=True), f"reader {n}") for n in range(8)]
    with ThreadPoolExecutor(len(readers)) as threads:
        reading = [
            threads.submit(look_around, manager, reader, kept) for reader in readers for _ in "123"
        ]
        receipt = delete(manager, admin, going)
        for one in reading:
            one.result()
    assert deleted(receipt) == set(going)
    (connections,) = host.execute(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    assert connections == (POOL_SIZE,)


def test_no_setting_and_no_prepared_statement_stays_behind(
    host: HostWriter, behind: sa.URL, open_manager: OpenManager, admin: Actor
) -> None:
    name = host.url.database
    host.execute(f"ALTER DATABASE {name} SET datestyle = 'German'")
    host.execute(f"ALTER DATABASE {name} SET timezone = 'Asia/Tokyo'")
    host.execute(f"ALTER DATABASE {name} SET statement_timeout = '45s'")
    shown = "SELECT " + ", ".join(f"current_setting('{setting}')" for setting in SETTINGS)
    with connect(host.url) as direct:
        before = direct.execute(shown).fetchone()
    manager = open_manager(behind, pool_size=10)
    run, *others = host.add_runs(4, user="kate", workspace="Ops")
    with ThreadPoolExecutor(4) as threads:
        for one in [threads.submit(look_around, manager, admin, run) for _ in range(12)]:
            one.result()
    delete(manager, admin, others)
    assert on_each_connection(behind, shown) == [before] * POOL_SIZE
    prepared = "SELECT count(*) FROM pg_prepared_statements"
    assert on_each_connection(behind, prepared) == [(0,)] * POOL_SIZE


@pytest.mark.parametrize("shape", ["schema"], indirect=True)
def test_a_schema_is_found_by_the_search_path_of_the_role(
    host: HostWriter, behind: sa.URL, open_manager: OpenManager, admin: Actor
) -> None:
    run = host.add_run()
    host.execute(f"ALTER ROLE {host.url.username} IN DATABASE {host.url.database}"
                 " SET search_path = app")  # fmt: skip
    found = open_manager(behind).finding.list_runs(admin, RunFilter(), PageRequest())
    assert [one.thread_id for one in found.items] == [run]


@pytest.mark.parametrize("shape", ["schema"], indirect=True)
def test_options_in_the_address_stop_the_start_and_say_what_to_do(
    host: HostWriter, behind: sa.URL, tmp_path: Path
) -> None:
    url = behind.update_query_dict({"options": "-csearch_path=app"})
    with pytest.raises(StartError, match="takes no options: leave them out of the address"):
        RunManager.open(url, Settings(state_dir=tmp_path), is_password)
