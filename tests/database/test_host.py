"""The host's schema: what is missing is named, what is there is found, nothing is overlooked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runmanager.errors import HostError
from runmanager.filters import RunFilter
from runmanager.host.catalog import REQUIRED
from runmanager.paging import PageRequest
from tests.conftest import every_shape
from tests.hosts import connect
from tests.operations import delete
from tests.tried import trying

if TYPE_CHECKING:
    from runmanager.records import Actor, DeletionPlan
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter


def rows(plan: DeletionPlan) -> dict[str, int]:
    return {table.table: table.rows for table in plan.tables}


@pytest.mark.parametrize("table", REQUIRED)
def test_a_missing_table_is_named(host: HostWriter, open_manager: OpenManager, table: str) -> None:
    host.execute(f"DROP TABLE {table}")
    with pytest.raises(HostError, match=f"no table “{table}”"):
        open_manager()


def test_a_missing_column_is_named(host: HostWriter, open_manager: OpenManager) -> None:
    for table, column in [(one, column) for one in REQUIRED for column in REQUIRED[one]]:
        host.execute(f"ALTER TABLE {table} RENAME {column} TO another")
        missing = f"“{table}” has no column “{column}”"
        with trying(missing), pytest.raises(HostError, match=missing):
            open_manager()
        host.execute(f"ALTER TABLE {table} RENAME another TO {column}")


def test_a_created_at_that_is_no_time_is_named(host: HostWriter, open_manager: OpenManager) -> None:
    host.execute("ALTER TABLE run_metadata DROP created_at, ADD created_at bigint")
    with pytest.raises(HostError, match=r"“created_at” of “run_metadata” is of type bigint"):
        open_manager()


@every_shape
def test_each_shape_opens_lists_and_deletes(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    gone, kept = host.add_runs(2, user="kate", workspace="Ops")
    before = host.contents(without=[gone])
    listed = manager.finding.list_runs(admin, RunFilter(username="kate"), PageRequest()).items
    assert {run.thread_id for run in listed} == {gone, kept}
    assert {run.username for run in listed} == {"kate"}
    receipt = delete(manager, admin, [gone])
    assert [run.thread_id for run in receipt.done] == [gone]
    assert host.is_gone(gone)
    assert host.contents() == before


@every_shape
def test_log_tables_of_either_name_are_known(host: HostWriter, manager: RunManager) -> None:
    assert manager.reviewing.log_tables == tuple(filter(None, [host.shape.logs]))


def test_two_log_tables_are_both_known_and_both_emptied(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute("CREATE TABLE thread_logs AS TABLE logs")
    run = host.add_run()
    host.add_traces(run)
    host.execute("INSERT INTO thread_logs TABLE logs")
    manager = open_manager()
    assert manager.reviewing.log_tables == ("logs", "thread_logs")
    assert dict(delete(manager, admin, [run]).done[0].rows)["thread_logs"] == 3
    assert host.count("thread_logs", run) == 0


def test_a_table_that_cascades_from_runs_goes_with_them(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute("CREATE TABLE audit (thread_id text REFERENCES run_metadata ON DELETE CASCADE)")
    run = host.add_run()
    host.execute("INSERT INTO audit VALUES (%s)", run)
    manager = open_manager()
    assert rows(manager.deleting.plan(admin, [run]))["audit"] == 1
    receipt = delete(manager, admin, [run])
    assert dict(receipt.tables)["audit"] == 1
    assert host.count("audit", run) == 0


def test_a_table_that_references_nothing_is_left_behind_and_said_so(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute("CREATE TABLE billing (thread_id text)")
    run = host.add_run()
    host.execute("INSERT INTO billing VALUES (%s), (%s), ('another')", run, run)
    manager = open_manager()
    (left,) = manager.deleting.plan(admin, [run]).left_behind
    assert (left.table, left.rows) == ("billing", 2)
    assert manager.reviewing.footprint(admin, run)[1] == (left,)
    delete(manager, admin, [run])
    assert host.count("billing", run) == 2


def test_a_table_that_the_settings_name_goes_with_a_run(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute("CREATE TABLE billing (thread_id text)")
    run = host.add_run()
    host.execute("INSERT INTO billing VALUES (%s)", run)
    manager = open_manager(trace_tables=("billing",))
    assert manager.deleting.plan(admin, [run]).left_behind == ()
    delete(manager, admin, [run])
    assert host.count("billing", run) == 0


def test_a_named_table_that_holds_no_runs_stops_the_start(open_manager: OpenManager) -> None:
    for name in ("nowhere", "workspaces"):
        named = f"RUNMANAGER_TRACE_TABLES names “{name}”"
        with trying(name), pytest.raises(HostError, match=named):
            open_manager(trace_tables=(name,))


def test_a_table_that_cascades_from_runs_by_a_column_of_another_name_is_counted(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute(
        "CREATE TABLE steps (run_id text REFERENCES run_metadata ON DELETE CASCADE,"
        " thread_id text DEFAULT 'a chat, and no run')"
    )
    run, other = host.add_run(), host.add_run()
    host.execute("INSERT INTO steps VALUES (%s), (%s), (%s)", run, run, other)
    manager = open_manager()
    assert rows(manager.deleting.plan(admin, [run]))["steps"] == 2
    assert dict(delete(manager, admin, [run]).tables)["steps"] == 2
    assert host.execute("SELECT run_id FROM steps") == [(other,)]


def test_a_table_that_cascades_from_another_column_of_runs_is_counted(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute("ALTER TABLE run_metadata ADD id bigserial UNIQUE")
    host.execute(
        "CREATE TABLE steps (run_id bigint REFERENCES run_metadata (id) ON DELETE CASCADE)"
    )
    run, other = host.add_run(), host.add_run()
    host.execute("INSERT INTO steps SELECT id FROM run_metadata, generate_series(1, 2)")
    manager = open_manager()
    assert rows(manager.deleting.plan(admin, [run]))["steps"] == 2
    receipt = delete(manager, admin, [run])
    assert dict(receipt.done[0].rows) == {"run_metadata": 1, "steps": 2}
    assert len(host.execute("SELECT run_id FROM steps")) == 2
    assert host.count("run_metadata", other) == 1


def test_a_table_that_cascades_from_several_columns_of_runs_goes_with_them(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute("ALTER TABLE run_metadata ADD UNIQUE (workspace_id, thread_id)")
    host.execute(
        "CREATE TABLE notes (workspace text, thread_id text, FOREIGN KEY (workspace, thread_id)"
        " REFERENCES run_metadata (workspace_id, thread_id) ON DELETE CASCADE)"
    )
    run = host.add_run(workspace="Ops")
    host.execute("INSERT INTO notes VALUES (%s, %s)", host.workspace("Ops"), run)
    manager = open_manager()
    assert dict(delete(manager, admin, [run]).tables)["notes"] == 1
    assert host.is_gone(run)


def test_trace_tables_that_refer_to_each_other_are_emptied_in_order(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute(
        "ALTER TABLE checkpoint_writes ADD FOREIGN KEY (thread_id, checkpoint_ns, checkpoint_id)"
        " REFERENCES checkpoints"
    )
    host.execute("ALTER TABLE checkpoints ADD FOREIGN KEY (thread_id) REFERENCES run_metadata")
    (run,) = host.add_runs(1)
    assert delete(open_manager(), admin, [run]).failed == ()
    assert host.is_gone(run)


def test_a_partitioned_table_is_counted_once(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute("DROP TABLE logs")
    host.execute(
        "CREATE TABLE logs (id int, thread_id text, level text, message text, created_at"
        " timestamptz) PARTITION BY HASH (id);"
        "CREATE TABLE logs_0 PARTITION OF logs FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
        "CREATE TABLE logs_1 PARTITION OF logs FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
    )
    run = host.add_run()
    host.execute("INSERT INTO logs SELECT n, %s FROM generate_series(1, 20) n", run)
    manager = open_manager()
    plan = manager.deleting.plan(admin, [run])
    assert rows(plan) == {
        "run_metadata": 1,
        "checkpoint_blobs": 0,
        "checkpoint_writes": 0,
        "checkpoints": 0,
        "logs": 20,
    }
    assert plan.left_behind == ()
    assert dict(delete(manager, admin, [run]).tables)["logs"] == 20


def test_users_and_workspaces_may_be_views(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    run = host.add_run(user="kate", workspace="Ops")
    # Two rows for an id, as a join in a view may give, must not show a run twice.
    host.execute("ALTER TABLE users RENAME TO people; ALTER TABLE workspaces RENAME TO places")
    host.execute("CREATE VIEW users AS TABLE people UNION ALL TABLE people")
    host.execute("CREATE VIEW workspaces AS TABLE places UNION ALL TABLE places")
    manager = open_manager()
    (listed,) = manager.finding.list_runs(admin, RunFilter(), PageRequest()).items
    assert (listed.username, listed.workspace_name) == ("kate", "Ops")
    assert manager.finding.usernames(admin) == ("kate",)
    assert len(manager.finding.workspaces(admin)) == 1
    assert delete(manager, admin, [run]).failed == ()


def test_a_view_of_runs_is_no_trace_table(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute("CREATE VIEW recent_runs AS TABLE run_metadata")
    run = host.add_run()
    assert open_manager().deleting.plan(admin, [run]).left_behind == ()


@pytest.mark.parametrize("shape", ["schema"], indirect=True)
def test_a_schema_set_for_the_database_is_found(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute(f"ALTER DATABASE {host.url.database} SET search_path = app")
    run = host.add_run()
    url = host.url.difference_update_query(["options"])
    with connect(url) as other:  # a table of the same name elsewhere is not the host's
        other.execute("CREATE TABLE public.run_metadata (thread_id text)")
    manager = open_manager(url)
    assert manager.reviewing.run(admin, run).has_row


@pytest.mark.parametrize("shape", ["schema"], indirect=True)
def test_a_schema_off_the_search_path_is_said_so(
    host: HostWriter, open_manager: OpenManager
) -> None:
    with pytest.raises(HostError, match="search_path"):
        open_manager(host.url.difference_update_query(["options"]))
