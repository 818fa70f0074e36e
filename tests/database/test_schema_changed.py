"""The host's tables change while Run Manager is open: what is left is shown, what fails is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runmanager.deletion import DELETION
from runmanager.errors import (
    HostError,
    OutdatedPlanError,
    RunNotFoundError,
    SchemaChangedError,
    UnknownNameError,
)
from runmanager.filters import RunFilter
from runmanager.paging import PageRequest
from runmanager.queries.listing.limits import Limits, SearchBudget
from tests.conftest import every_shape
from tests.hosts import LONG_AGO
from tests.operations import delete, deleted, errors, execute_here, in_batches_of
from tests.statements import recorded
from tests.tried import trying

if TYPE_CHECKING:
    from runmanager.records import Actor, RunSummary
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter

ALL = RunFilter()
# So small that each path to a page is taken: walk, jump, search in slices, gather.
SMALL = Limits(exact_to=3, count_seconds=5, search=SearchBudget(first=2, growth=2, seconds=60))
OPTIONAL = ("parent_thread_id", "llm_model", "sop", "metadata")
SHOWN = ("completed_at", "error_message")
# The statement that reads who inherits from whom, sent whenever the host's schema is read.
READS_SCHEMA = "pg_inherits"


def ids(manager: RunManager, admin: Actor, run_filter: RunFilter = ALL) -> list[str]:
    page = manager.finding.list_runs(admin, run_filter, PageRequest(1, 200))
    return [run.thread_id for run in page.items]


@pytest.mark.parametrize("limits", [None, SMALL], ids=["few", "many"])
def test_a_list_reads_no_column_that_it_does_not_show(
    host: HostWriter, open_manager: OpenManager, admin: Actor, limits: Limits | None
) -> None:
    manager = open_manager(limits=limits)
    host.add_runs(12, user="kate", sop="Handle orders")
    pages = [PageRequest(1, 2), PageRequest(3, 2), PageRequest(1, 2, from_end=True)]
    filters = (ALL, RunFilter("order"), RunFilter(username="kate"), RunFilter("order", "kate"))

    def listed(run_filter: RunFilter) -> list[tuple[RunSummary, ...]]:
        return [manager.finding.browse(admin, run_filter, page).items for page in pages]

    before = [listed(run_filter) for run_filter in filters]
    for column in OPTIONAL:
        host.execute(f"ALTER TABLE run_metadata DROP COLUMN {column}")
    for run_filter, was in zip(filters, before, strict=True):
        with trying(run_filter):
            with recorded(manager) as statements:
                found = listed(run_filter)
                everything = ids(manager, admin, run_filter)
            assert found == was
            assert len(everything) == 12
            # Nothing failed: the schema did not have to be read again.
            assert not any(READS_SCHEMA in one for one in statements)


@pytest.mark.parametrize("limits", [None, SMALL], ids=["few", "many"])
def test_a_column_that_it_shows_may_go_meanwhile(
    host: HostWriter, open_manager: OpenManager, admin: Actor, limits: Limits | None
) -> None:
    manager = open_manager(limits=limits)
    host.add_runs(12, error_message="Timeout\nin step 3", completed_at=LONG_AGO)
    request = PageRequest(2, 5)
    (first, *_others) = manager.finding.browse(admin, ALL, request).items
    assert (first.error, first.completed_at) == ("Timeout", LONG_AGO)
    for column in SHOWN:
        host.execute(f"ALTER TABLE run_metadata DROP COLUMN {column}")
    (first, *_others) = manager.finding.browse(admin, ALL, request).items
    assert (first.error, first.completed_at) == (None, None)


def test_the_page_of_a_run_goes_on_without_a_fact_that_is_gone(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    run = host.add_run(sop="Handle orders", error_message="boom")
    assert manager.reviewing.run(admin, run).sop is not None
    host.execute("ALTER TABLE run_metadata DROP COLUMN sop")
    with recorded(manager) as statements:
        found = manager.reviewing.run(admin, run)
    assert found.sop is None
    assert found.error_message is not None
    assert sum(READS_SCHEMA in one for one in statements) == 1


def test_a_log_that_was_renamed_is_found_by_its_new_name(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    (run,) = host.add_runs(1)
    host.execute("ALTER TABLE logs RENAME TO thread_logs")
    assert manager.reviewing.logs(admin, run, None, PageRequest()).total == 1
    assert manager.reviewing.log_tables == ("thread_logs",)
    with pytest.raises(UnknownNameError, match="no log table “logs”"):
        manager.reviewing.logs(admin, run, "logs", PageRequest())


def test_a_log_that_is_gone_is_empty(host: HostWriter, manager: RunManager, admin: Actor) -> None:
    (run,) = host.add_runs(1)
    host.execute("DROP TABLE logs")
    assert manager.reviewing.logs(admin, run, None, PageRequest()).total == 0
    assert manager.reviewing.log_tables == ()


def test_tables_that_a_host_need_not_have_may_be_dropped(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    (run,) = host.add_runs(1, user="kate", workspace="Ops")
    host.execute("DROP TABLE workspaces, checkpoints, checkpoint_blobs")
    (listed,) = manager.finding.list_runs(admin, ALL, PageRequest()).items
    assert (listed.thread_id, listed.username, listed.workspace_name) == (run, "kate", None)
    assert manager.reviewing.checkpoints(admin, run, PageRequest()).total == 0
    assert manager.reviewing.blobs(admin, run, PageRequest()).total == 0
    receipt = delete(manager, admin, [run])
    assert deleted(receipt) == {run}
    assert dict(receipt.tables) == {"run_metadata": 1, "checkpoint_writes": 1, "logs": 1}


def test_ids_of_another_type_are_compared_as_such(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    run = host.add_run("7", user="kate")
    host.execute("ALTER TABLE run_metadata ALTER thread_id TYPE bigint USING thread_id::bigint")
    assert ids(manager, admin, RunFilter(username="kate")) == [run]
    assert manager.reviewing.run(admin, run).summary.username == "kate"
    assert manager.reviewing.checkpoints(admin, run, PageRequest()).total == 0
    assert deleted(delete(manager, admin, [run])) == {run}


@every_shape
def test_a_needed_column_that_is_missing_is_named_until_it_is_back(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    (run,) = host.add_runs(1)
    host.execute("ALTER TABLE run_metadata RENAME status TO state")
    for _attempt in range(2):
        with pytest.raises(HostError, match="“run_metadata” has no column “status”"):
            ids(manager, admin)
        with pytest.raises(HostError, match="“run_metadata” has no column “status”"):
            manager.reviewing.run(admin, run)
    host.execute("ALTER TABLE run_metadata RENAME state TO status")
    assert ids(manager, admin) == [run]
    assert manager.reviewing.run(admin, run).summary.status == "completed"


def test_a_needed_column_may_come_back_as_another_type(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    (run,) = host.add_runs(1, user="kate")
    host.execute("ALTER TABLE run_metadata RENAME user_id TO owner")
    with pytest.raises(HostError, match="“run_metadata” has no column “user_id”"):
        ids(manager, admin, RunFilter(username="kate"))
    host.execute("ALTER TABLE run_metadata ADD user_id bigint")
    assert ids(manager, admin) == [run]
    assert ids(manager, admin, RunFilter(username="kate")) == []


def test_what_changes_again_at_once_is_said_in_words(
    host: HostWriter, manager: RunManager, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run,) = host.add_runs(1, sop="Handle orders")
    monkeypatch.setattr(manager._access, "_read_schema", lambda: (manager._access.host, None))
    host.execute("ALTER TABLE run_metadata DROP COLUMN sop")
    with pytest.raises(SchemaChangedError, match="tables have changed"):
        manager.reviewing.run(admin, run)


@pytest.mark.parametrize("table", ["logs", "run_metadata", "users"])
def test_a_deletion_ends_at_once_where_a_table_is_renamed_meanwhile(
    host: HostWriter,
    manager: RunManager,
    admin: Actor,
    monkeypatch: pytest.MonkeyPatch,
    table: str,
) -> None:
    in_batches_of(2, monkeypatch)
    runs = host.add_runs(20)
    plan = manager.deleting.plan(admin, runs)
    told: list[tuple[int, int]] = []

    def rename(done: int, failed: int) -> None:
        if not told:
            host.execute(f"ALTER TABLE {table} RENAME TO renamed")
        told.append((done, failed))

    with recorded(manager) as statements:
        receipt = execute_here(manager, admin, plan, on_progress=rename)
    assert deleted(receipt) == set(runs[:2])
    assert set(errors(receipt).values()) == {f"{DELETION.not_done}. {SchemaChangedError().message}"}
    # One batch more was tried, and not taken apart run by run.
    assert told == [(2, 0), (2, 18)]
    assert sum("FOR UPDATE" in one for one in statements) <= 2
    host.execute(f"ALTER TABLE renamed RENAME TO {table}")
    assert not any(host.is_gone(run) for run in runs[2:])
    with pytest.raises(RunNotFoundError):
        manager.reviewing.run(admin, runs[0])


ADDED = {
    "a table that hangs on runs": (
        "CREATE TABLE notes (run text REFERENCES run_metadata ON DELETE CASCADE)"
    ),
    "a table that holds runs": "CREATE TABLE notes (run text REFERENCES run_metadata)",
    "a table with ids of runs": "CREATE TABLE notes (thread_id text)",
    "a table deeper down": (
        "CREATE TABLE notes (line bigint REFERENCES logs (id) ON DELETE CASCADE)"
    ),
    "a key": "ALTER TABLE events ADD FOREIGN KEY (run) REFERENCES run_metadata ON DELETE CASCADE",
    "a trigger": "CREATE TRIGGER look AFTER DELETE ON logs EXECUTE FUNCTION look()",
    "a policy": "CREATE POLICY everybody ON logs USING (true)",
    "a rule": "CREATE RULE more AS ON UPDATE TO logs DO ALSO SELECT 1",
    "a column": "ALTER TABLE logs ADD organization_id int",
}


@pytest.fixture
def changing(host: HostWriter) -> HostWriter:
    """The host, with what some of the changes need."""
    host.execute(
        "CREATE TABLE events (run text);"
        "CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
    )
    return host


@pytest.mark.parametrize("change", ADDED)
def test_what_is_added_outdates_a_plan_and_is_part_of_the_next(
    changing: HostWriter, open_manager: OpenManager, admin: Actor, change: str
) -> None:
    (run,) = changing.add_runs(1)
    manager = open_manager()
    plan = manager.deleting.plan(admin, [run])
    changing.execute(ADDED[change])
    with pytest.raises(OutdatedPlanError, match="changed since the plan"):
        manager.deleting.start(admin, plan)
    assert not changing.is_gone(run)
    again = manager.deleting.plan(admin, [run])
    assert again.shape != plan.shape
    if "notes" in ADDED[change] and "CASCADE" in ADDED[change]:
        assert "notes" in [table.table for table in again.tables]
    assert deleted(delete(manager, admin, [], plan=again)) == {run}


def test_a_key_that_is_enforced_no_more_outdates_a_plan(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    (run,) = host.add_runs(1)
    host.execute(
        "CREATE TABLE notes (run text CONSTRAINT of_run REFERENCES run_metadata ON DELETE CASCADE)"
    )
    host.execute("INSERT INTO notes VALUES (%s)", run)
    manager = open_manager()
    plan = manager.deleting.plan(admin, [run])
    # Before PostgreSQL 18 a foreign key is enforced for as long as it is there.
    is_new = int(host.execute("SHOW server_version_num")[0][0]) >= 180000
    taken_back = "ALTER CONSTRAINT of_run NOT ENFORCED" if is_new else "DROP CONSTRAINT of_run"
    host.execute(f"ALTER TABLE notes {taken_back}")
    with pytest.raises(OutdatedPlanError):
        manager.deleting.start(admin, plan)
    again = manager.deleting.plan(admin, [run])
    assert "notes" not in [table.table for table in again.tables]
    assert deleted(delete(manager, admin, [], plan=again)) == {run}
    assert host.execute("SELECT run FROM notes") == [(run,)]


def test_a_plan_of_before_is_refused_also_where_the_schema_was_read_again_since(
    changing: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    runs = changing.add_runs(2)
    manager = open_manager()
    plan = manager.deleting.plan(admin, runs)
    changing.execute(ADDED["a table that hangs on runs"])
    assert manager.deleting.plan(admin, runs).shape != plan.shape
    receipt = execute_here(manager, admin, plan)
    assert set(errors(receipt).values()) == {OutdatedPlanError().message}
    assert not any(changing.is_gone(run) for run in runs)


@pytest.mark.parametrize("change", ["a table that hangs on runs", "a key", "a trigger"])
def test_what_is_added_in_the_middle_ends_the_deletion(
    changing: HostWriter,
    open_manager: OpenManager,
    admin: Actor,
    monkeypatch: pytest.MonkeyPatch,
    change: str,
) -> None:
    in_batches_of(1, monkeypatch)
    runs = changing.add_runs(3)
    manager = open_manager()
    plan = manager.deleting.plan(admin, runs)

    def add(done: int, failed: int) -> None:
        if (done, failed) == (1, 0):
            changing.execute(ADDED[change])

    receipt = execute_here(manager, admin, plan, on_progress=add)
    assert deleted(receipt) == {runs[0]}
    assert set(errors(receipt).values()) == {OutdatedPlanError().message}


def test_what_changes_nothing_of_a_deletion_outdates_no_plan(
    changing: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    changing.execute(
        "CREATE TABLE parts (run text REFERENCES run_metadata ON DELETE CASCADE, at int)"
        " PARTITION BY RANGE (at)"
    )
    manager = open_manager()
    for change in (
        "CREATE TABLE colours (id int PRIMARY KEY)",
        "CREATE TABLE members (id text PRIMARY KEY REFERENCES users ON DELETE CASCADE)",
        "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (1) TO (2)",
        "CREATE VIEW recent AS TABLE run_metadata",
        "CREATE INDEX ON run_metadata (status)",
        "CREATE ROLE somebody; DROP ROLE somebody",
        "ANALYZE",
    ):
        with trying(change):
            (run,) = changing.add_runs(1)
            plan = manager.deleting.plan(admin, [run])
            changing.execute(change)
            assert deleted(delete(manager, admin, [], plan=plan)) == {run}


def test_the_page_of_a_run_counts_what_was_added_while_it_runs(
    changing: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    (run,) = changing.add_runs(1)
    manager = open_manager()
    changing.execute(ADDED["a table that hangs on runs"])
    changing.execute("INSERT INTO notes VALUES (%s)", run)
    counted = {one.table: one.rows for one in manager.reviewing.footprint(admin, run)[0]}
    assert counted["notes"] == 1
