"""Where row security may hide rows nothing is deleted; where it hides none, everything works."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from runmanager.errors import MissingGrantError, OutdatedPlanError
from tests.conftest import every_shape
from tests.operations import delete, deleted, errors, execute_here, in_batches_of
from tests.roles import DELETER

if TYPE_CHECKING:
    from runmanager.records import Actor
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter
    from tests.roles import Roles

ALL_FOR = ("SELECT", "UPDATE", "DELETE")


@pytest.fixture
def role(roles: Roles) -> str:
    """The role that docs/own-database.md makes."""
    return roles.of_the_page(DELETER)


@pytest.fixture
def manager(open_manager: OpenManager, roles: Roles, role: str) -> RunManager:
    """Run Manager as that role."""
    return open_manager(roles.url(role))


def refusal(manager: RunManager, admin: Actor, runs: list[str]) -> str:
    with pytest.raises(MissingGrantError) as caught:
        manager.deleting.plan(admin, runs)
    return caught.value.message


def follow(host: HostWriter, message: str) -> None:
    """Do as the sentence says."""
    for statement in re.findall(r"(?:CREATE POLICY|ALTER ROLE) .*?;", message):
        host.execute(statement)


@every_shape
def test_where_rows_may_be_hidden_nothing_is_deleted_until_it_is_done_as_said(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    runs = host.add_runs(2)
    before = host.contents()
    for table in host.shape.tables:
        host.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        if table == "run_metadata":
            # Else nobody would see which runs there are.
            host.execute("CREATE POLICY seen ON run_metadata FOR SELECT USING (true)")
    message = refusal(manager, admin, runs)
    for table in host.shape.tables:
        assert f"Row security on “{table}” may hide rows" in message
    assert host.contents() == before
    follow(host, message)
    assert deleted(delete(manager, admin, runs)) == set(runs)
    assert all(host.is_gone(run) for run in runs)


@pytest.mark.parametrize("missing", ["SELECT", "DELETE"])
def test_a_policy_for_one_deed_only_is_not_enough(
    host: HostWriter, manager: RunManager, admin: Actor, missing: str
) -> None:
    runs = host.add_runs(1)
    host.execute("ALTER TABLE logs ENABLE ROW LEVEL SECURITY")
    for deed in {"SELECT", "DELETE"} - {missing}:
        host.execute(f"CREATE POLICY p_{deed} ON logs FOR {deed} USING (true)")
    follow(host, refusal(manager, admin, runs))
    assert deleted(delete(manager, admin, runs)) == set(runs)


@pytest.mark.parametrize("missing", ALL_FOR)
def test_of_the_runs_each_row_must_be_read_locked_and_deleted(
    host: HostWriter, manager: RunManager, admin: Actor, missing: str
) -> None:
    runs = host.add_runs(3)
    host.execute("ALTER TABLE run_metadata ENABLE ROW LEVEL SECURITY")
    for deed in ALL_FOR:
        rows = f"thread_id <> '{runs[1]}'" if deed == missing else "true"
        host.execute(f"CREATE POLICY on_{deed} ON run_metadata FOR {deed} USING ({rows})")
    assert "Row security on “run_metadata”" in refusal(manager, admin, runs)


@pytest.mark.parametrize("policy", ["USING (true)", "FOR ALL TO PUBLIC USING (true)"])
def test_a_policy_that_permits_every_row_hides_nothing(
    host: HostWriter, manager: RunManager, admin: Actor, policy: str
) -> None:
    (run,) = host.add_runs(1)
    for table in host.shape.tables:
        host.execute(
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON {table} {policy};"
            f"CREATE POLICY narrower ON {table} USING (thread_id = 'x')"
        )
    assert deleted(delete(manager, admin, [run])) == {run}
    assert host.is_gone(run)


def test_a_restrictive_policy_beside_it_may_take_rows_away(
    host: HostWriter, manager: RunManager, admin: Actor, role: str
) -> None:
    runs = host.add_runs(1)
    host.execute(
        "ALTER TABLE checkpoints ENABLE ROW LEVEL SECURITY;"
        "CREATE POLICY p ON checkpoints USING (true);"
        "CREATE POLICY r ON checkpoints AS RESTRICTIVE USING (thread_id > 'a')"
    )
    message = refusal(manager, admin, runs)
    assert f"let a superuser run: ALTER ROLE {role} BYPASSRLS;" in message
    follow(host, message)
    assert deleted(delete(manager, admin, runs)) == set(runs)


def test_a_policy_for_another_role_permits_nothing_to_ours(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    host.execute(
        "ALTER TABLE logs ENABLE ROW LEVEL SECURITY;"
        "CREATE POLICY p ON logs TO pg_read_all_data USING (true)"
    )
    assert "“logs”" in refusal(manager, admin, host.add_runs(1))


@pytest.mark.parametrize(
    "table",
    [
        "counted (run text REFERENCES run_metadata ON DELETE CASCADE)",
        "counted (run text REFERENCES run_metadata ON DELETE SET NULL)",
        "counted (run text REFERENCES run_metadata)",
        "counted (thread_id text)",
    ],
)
def test_each_table_that_is_counted_must_show_its_rows(
    host: HostWriter, manager: RunManager, admin: Actor, role: str, table: str
) -> None:
    (run,) = host.add_runs(1)
    host.execute(
        f"CREATE TABLE {table}; GRANT SELECT ON counted TO {role};"
        "ALTER TABLE counted ENABLE ROW LEVEL SECURITY"
    )
    message = refusal(manager, admin, [run])
    assert "Row security on “counted”" in message
    follow(host, message)
    assert deleted(delete(manager, admin, [run])) == {run}


def test_behind_a_view_its_owner_must_see_every_row(
    host: HostWriter, open_manager: OpenManager, admin: Actor, roles: Roles
) -> None:
    (run,) = host.add_runs(1)
    owner = roles.bare()
    role = roles.of_the_page(DELETER)
    host.execute(
        f"GRANT SELECT, DELETE ON logs TO {owner};"
        "ALTER TABLE logs RENAME TO lines;"
        f"CREATE VIEW logs AS TABLE lines; ALTER VIEW logs OWNER TO {owner};"
        f"GRANT SELECT, DELETE ON logs TO {role}; REVOKE ALL ON lines FROM {role};"
        "ALTER TABLE lines ENABLE ROW LEVEL SECURITY;"
        f"CREATE POLICY of_ours ON lines TO {role} USING (true)"
    )
    manager = open_manager(roles.url(role))
    message = refusal(manager, admin, [run])
    assert "Row security on “lines” may hide rows from the owner of the view" in message
    assert f"TO {owner} USING (true);" in message
    follow(host, message)
    assert dict(delete(manager, admin, [run]).tables)["logs"] == 1


def test_rows_on_another_server_are_not_taken_for_none(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    (run,) = host.add_runs(1)
    address = host.url.query["host"]
    host.execute(
        "CREATE EXTENSION postgres_fdw; ALTER TABLE logs RENAME TO lines;"
        "CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS"
        f" (host '{address}', port '{host.url.query['port']}', dbname '{host.url.database}');"
        f"CREATE USER MAPPING FOR CURRENT_USER SERVER far OPTIONS (user '{host.url.username}',"
        " password_required 'false');"
        "CREATE FOREIGN TABLE logs (id bigint, thread_id text, level text, message text,"
        " created_at timestamptz) SERVER far OPTIONS (table_name 'lines')"
    )
    manager = open_manager()
    message = refusal(manager, admin, [run])
    assert "rows of “logs” are on another server" in message
    assert manager.reviewing.footprint(admin, run)[0]


def test_a_start_writes_where_rows_may_be_hidden_to_the_log(
    host: HostWriter,
    open_manager: OpenManager,
    roles: Roles,
    role: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    host.execute("ALTER TABLE logs ENABLE ROW LEVEL SECURITY")
    open_manager(roles.url(role))
    assert "Row security on “logs” may hide rows" in caplog.text


def test_row_security_that_comes_after_the_plan_lets_nothing_start(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    runs = host.add_runs(2)
    plan = manager.deleting.plan(admin, runs)
    host.execute("ALTER TABLE logs ENABLE ROW LEVEL SECURITY")
    with pytest.raises(MissingGrantError, match="“logs”"):
        manager.deleting.start(admin, plan)


def test_row_security_that_comes_in_the_middle_ends_the_deletion(
    host: HostWriter, manager: RunManager, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_batches_of(1, monkeypatch)
    runs = host.add_runs(3)
    plan = manager.deleting.plan(admin, runs)

    def hide(done: int, _failed: int) -> None:
        if done == 1:
            host.execute("ALTER TABLE logs ENABLE ROW LEVEL SECURITY")

    receipt = execute_here(manager, admin, plan, on_progress=hide)
    assert deleted(receipt) == {runs[0]}
    assert set(errors(receipt).values()) == {OutdatedPlanError().message}
    host.execute("ALTER TABLE logs DISABLE ROW LEVEL SECURITY")
    assert [host.count("logs", run) for run in runs] == [0, 1, 1]


def test_a_partition_that_is_referred_to_by_itself_may_not_hide_rows(
    host: HostWriter, manager: RunManager, admin: Actor, role: str
) -> None:
    (run,) = host.add_runs(1)
    host.execute(
        "CREATE TABLE steps (run text REFERENCES run_metadata ON DELETE CASCADE, id int)"
        " PARTITION BY RANGE (id);"
        "CREATE TABLE steps_1 PARTITION OF steps (UNIQUE (id)) FOR VALUES FROM (0) TO (10);"
        "CREATE TABLE events (step int REFERENCES steps_1 (id) ON DELETE CASCADE);"
        f"GRANT SELECT ON steps, events TO {role}"
    )
    host.execute("INSERT INTO steps VALUES (%s, 1)", run)
    host.execute("INSERT INTO events VALUES (1)")
    with pytest.raises(MissingGrantError, match=r"GRANT SELECT ON public\.steps_1 TO"):
        manager.deleting.plan(admin, [run])
    host.execute(f"GRANT SELECT ON steps_1 TO {role}")
    host.execute("ALTER TABLE steps_1 ENABLE ROW LEVEL SECURITY")
    message = refusal(manager, admin, [run])
    assert "Row security on “steps_1” may hide rows" in message
    follow(host, message)
    plan = manager.deleting.plan(admin, [run])
    assert {table.table: table.rows for table in plan.tables}["events"] == 1
    assert delete(manager, admin, [], plan=plan).also_gone == ()


@pytest.mark.parametrize("written", ["T", "on", "1", "yes"])
def test_a_view_that_reads_as_its_caller_is_known_however_that_is_written(
    host: HostWriter, open_manager: OpenManager, admin: Actor, roles: Roles, role: str, written: str
) -> None:
    runs = host.add_runs(2)
    host.execute(
        "ALTER TABLE logs RENAME TO lines;"
        f"CREATE VIEW logs WITH (security_invoker = {written}) AS TABLE lines;"
        "ALTER TABLE lines ENABLE ROW LEVEL SECURITY;"
        "CREATE POLICY half ON lines USING (id % 2 = 0);"
        f"GRANT SELECT, DELETE ON logs TO {role}"
    )
    message = refusal(open_manager(roles.url(role)), admin, runs)
    assert "Row security on “lines” may hide rows from the database role" in message
