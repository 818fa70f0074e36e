"""What the database role lacks: it is known beforehand, and the GRANT that is said is the one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runmanager.errors import (
    DatabaseDeniedError,
    HostError,
    MissingGrantError,
    RunManagerError,
    RunNotFoundError,
)
from runmanager.filters import RunFilter
from runmanager.paging import PageRequest
from tests.conftest import every_shape
from tests.operations import delete, deleted, errors, execute_here, in_batches_of
from tests.roles import DELETER, READER, grants_in
from tests.statements import recorded

if TYPE_CHECKING:
    from collections.abc import Callable

    from runmanager.records import Actor
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter
    from tests.roles import Roles

FIRST = PageRequest()
ASKS_FOR_RIGHTS = "has_table_privilege"
TRACES = "checkpoint_blobs, checkpoint_writes, checkpoints, logs"


def titles(manager: RunManager, admin: Actor) -> list[str]:
    """The names of the first runs."""
    return [run.title for run in manager.finding.list_runs(admin, RunFilter(), FIRST).items]


def grants_until(host: HostWriter, attempt: Callable[[], object]) -> list[str]:
    """Run what each refusal says to run, until the attempt is not refused; what was run."""
    ran: list[str] = []
    while (said := _refusal(attempt)) is not None:
        grants = grants_in(said)
        assert grants, said
        assert not set(grants) & set(ran), said
        for grant in grants:
            host.execute(grant)
        ran += grants
    return ran


def _refusal(attempt: Callable[[], object]) -> str | None:
    try:
        attempt()
    except (HostError, MissingGrantError) as error:
        return error.message
    return None


@every_shape
def test_who_runs_what_is_said_has_a_role_that_deletes(
    host: HostWriter, open_manager: OpenManager, admin: Actor, roles: Roles
) -> None:
    going, staying = host.add_runs(2)
    url = roles.url(roles.bare())
    opened: list[RunManager] = []
    grants_until(host, lambda: opened.append(open_manager(url)))
    assert len(titles(opened[0], admin)) == 2
    granted = grants_until(host, lambda: opened[0].deleting.plan(admin, [going]))
    assert [one.split(" ON ")[0] for one in granted] == [
        "GRANT DELETE, UPDATE (run_name)",
        *([] if host.shape.is_minimal else ["GRANT SELECT, DELETE"]),
    ]
    assert deleted(delete(opened[0], admin, [going])) == {going}
    assert host.is_gone(going)
    assert all(host.counts(staying).values()) or host.shape.is_minimal


def test_names_that_need_quotes_have_them(
    host: HostWriter, open_manager: OpenManager, admin: Actor, roles: Roles
) -> None:
    role = roles.bare('Ops, public "admins"')
    host.execute(
        'CREATE SCHEMA "My App"; ALTER TABLE run_metadata SET SCHEMA "My App";'
        'CREATE TABLE "My App"."Audit-Events" (thread_id text);'
    )
    url = roles.url(role).update_query_dict({"options": '-csearch_path=public,"My\\ App"'})
    opened: list[RunManager] = []
    first = grants_until(
        host, lambda: opened.append(open_manager(url, trace_tables=("Audit-Events",)))
    )
    quoted = '"Ops, public ""admins"""'
    assert first[0] == f'GRANT USAGE ON SCHEMA "My App" TO {quoted};'
    granted = grants_until(host, lambda: opened[0].deleting.plan(admin, ["none"]))
    assert '"My App"."Audit-Events", public.checkpoint_blobs' in granted[1]


@pytest.mark.parametrize(
    ("taken", "which", "grant"),
    [
        ("SELECT ON run_metadata", "“run_metadata”", "SELECT ON public.run_metadata"),
        (
            "SELECT ON users",
            "“password_hash” of “users”",
            "SELECT (id, username, password_hash, is_admin, is_active) ON public.users",
        ),
        ("SELECT (is_active) ON users", "“is_active” of “users”", "SELECT (is_active) ON"),
        ("SELECT (name) ON workspaces", "“name” of “workspaces”", "SELECT (name) ON"),
    ],
)
def test_what_nothing_works_without_stops_the_start(
    host: HostWriter, open_manager: OpenManager, roles: Roles, taken: str, which: str, grant: str
) -> None:
    role = roles.of_the_page(DELETER)
    host.execute("ALTER TABLE users ADD email text")
    roles.revoke(role, taken)
    with pytest.raises(HostError) as caught:
        open_manager(roles.url(role))
    if taken == "SELECT ON users":
        which = "“id”, “username”, “password_hash”, “is_admin”, “is_active” of “users”"
    assert which in caught.value.message
    (said,) = grants_in(caught.value.message)
    assert said.startswith(f"GRANT {grant}")
    assert said.endswith(f" TO {role};")


def test_one_column_of_the_runs_that_is_kept_back_is_named(
    host: HostWriter, open_manager: OpenManager, roles: Roles
) -> None:
    role = roles.of_the_page(READER)
    roles.revoke(role, "SELECT ON run_metadata")
    columns = "thread_id, run_name, status, created_at, user_id, workspace_id, completed_at"
    host.execute(f"GRANT SELECT ({columns}, sop, metadata, llm_model) ON run_metadata TO {role}")
    with pytest.raises(HostError, match="“error_message”, “parent_thread_id”, “initial_data” of"):
        open_manager(roles.url(role))


def test_a_role_with_every_column_of_its_own_works(
    host: HostWriter, open_manager: OpenManager, admin: Actor, roles: Roles
) -> None:
    role = roles.of_the_page(DELETER)
    for table in ("run_metadata", "checkpoints", "logs"):
        ((columns,),) = host.execute(
            "SELECT string_agg(attname, ', ') FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attnum > 0",
            table,
        )
        roles.revoke(role, f"SELECT ON {table}")
        host.execute(f"GRANT SELECT ({columns}) ON {table} TO {role}")
    (run,) = host.add_runs(1)
    manager = open_manager(roles.url(role))
    assert manager.reviewing.logs(admin, run, "logs", FIRST).total == 1
    assert manager.reviewing.checkpoints(admin, run, FIRST).total == 1
    assert deleted(delete(manager, admin, [run])) == {run}


def test_columns_do_not_serve_where_rows_are_told_apart_by_their_place(
    host: HostWriter, open_manager: OpenManager, admin: Actor, roles: Roles
) -> None:
    role = roles.of_the_page(DELETER)
    host.execute("ALTER TABLE logs DROP CONSTRAINT logs_pkey")
    roles.revoke(role, "SELECT ON logs")
    host.execute(f"GRANT SELECT (id, thread_id, level, message, created_at) ON logs TO {role}")
    (run,) = host.add_runs(1)
    manager = open_manager(roles.url(role))
    with pytest.raises(MissingGrantError, match=f"GRANT SELECT ON public.logs TO {role};"):
        manager.reviewing.logs(admin, run, "logs", FIRST)


@pytest.mark.parametrize(
    ("taken", "grant"),
    [
        ("DELETE ON run_metadata", "DELETE ON public.run_metadata"),
        ("UPDATE (run_name) ON run_metadata", "UPDATE (run_name) ON public.run_metadata"),
        *((f"DELETE ON {one}", f"DELETE ON public.{one}") for one in TRACES.split(", ")),
        *((f"SELECT ON {one}", f"SELECT ON public.{one}") for one in TRACES.split(", ")),
    ],
)
def test_without_one_right_nothing_is_deleted_and_it_is_named(
    host: HostWriter,
    open_manager: OpenManager,
    admin: Actor,
    roles: Roles,
    taken: str,
    grant: str,
) -> None:
    role = roles.of_the_page(DELETER)
    roles.revoke(role, taken)
    (run,) = host.add_runs(1)
    manager = open_manager(roles.url(role))
    with pytest.raises(MissingGrantError) as caught:
        manager.deleting.plan(admin, [run])
    assert grants_in(caught.value.message) == [f"GRANT {grant} TO {role};"]
    assert manager.deleting.denied == caught.value.message
    assert all(host.counts(run).values())


def test_another_column_may_be_the_one_that_locks(
    host: HostWriter, open_manager: OpenManager, admin: Actor, roles: Roles
) -> None:
    role = roles.of_the_page(DELETER)
    roles.revoke(role, "UPDATE (run_name) ON run_metadata")
    host.execute(f"GRANT UPDATE (sop) ON run_metadata TO {role}")
    (run,) = host.add_runs(1)
    assert deleted(delete(open_manager(roles.url(role)), admin, [run])) == {run}


def test_a_table_that_the_database_empties_by_itself_needs_to_be_read_only(
    host: HostWriter, open_manager: OpenManager, admin: Actor, roles: Roles
) -> None:
    host.execute(
        "CREATE TABLE notes (run text REFERENCES run_metadata (thread_id) ON DELETE CASCADE)"
    )
    role = roles.of_the_page(DELETER)
    manager = open_manager(roles.url(role))
    with pytest.raises(MissingGrantError) as caught:
        manager.deleting.plan(admin, ["none"])
    assert grants_in(caught.value.message) == [f"GRANT SELECT ON public.notes TO {role};"]
    host.execute(f"GRANT SELECT ON notes TO {role}")
    (run,) = host.add_runs(1)
    host.execute("INSERT INTO notes VALUES (%s), (%s)", run, run)
    assert dict(delete(manager, admin, [run]).tables)["notes"] == 2


def test_a_read_only_role_reads_everything_and_deletes_nothing(
    host: HostWriter, open_manager: OpenManager, admin: Actor, roles: Roles
) -> None:
    (run,) = host.add_runs(1)
    deleting = open_manager(roles.url(roles.of_the_page(DELETER)))
    plan = deleting.deleting.plan(admin, [run])
    role = roles.of_the_page(READER)
    manager = open_manager(roles.url(role))
    assert manager.reviewing.unreadable == {}
    with pytest.raises(MissingGrantError) as caught:
        manager.deleting.start(admin, plan)
    traces = ", ".join(f"public.{table}" for table in TRACES.split(", "))
    assert grants_in(caught.value.message) == [
        f"GRANT DELETE, UPDATE (run_name) ON public.run_metadata TO {role};",
        f"GRANT DELETE ON {traces} TO {role};",
    ]
    assert all(host.counts(run).values())


def owner(host: HostWriter, roles: Roles) -> str:
    """A role that owns the tables, and is no superuser."""
    role = roles.bare()
    tables = (*host.shape.tables, "users", "workspaces")
    host.execute("; ".join(f"ALTER TABLE {table} OWNER TO {role}" for table in tables))
    return role


def member(host: HostWriter, roles: Roles, option: str) -> str:
    """A member of the role that deletes."""
    role = roles.bare(options=option)
    host.execute(f"GRANT {roles.of_the_page(DELETER)} TO {role}")
    return role


@pytest.mark.parametrize(
    "make",
    [
        lambda _host, roles: roles.bare(options="SUPERUSER"),
        owner,
        lambda host, roles: member(host, roles, "INHERIT"),
    ],
    ids=["superuser", "owner", "member"],
)
def test_who_has_the_rights_otherwise_deletes(
    host: HostWriter,
    open_manager: OpenManager,
    admin: Actor,
    roles: Roles,
    make: Callable[[HostWriter, Roles], str],
) -> None:
    (run,) = host.add_runs(1)
    manager = open_manager(roles.url(make(host, roles)))
    assert manager.deleting.denied is None
    assert deleted(delete(manager, admin, [run])) == {run}


def test_a_membership_that_is_not_inherited_gives_no_right(
    host: HostWriter, open_manager: OpenManager, roles: Roles
) -> None:
    role = member(host, roles, "NOINHERIT")
    with pytest.raises(HostError, match=f"GRANT SELECT ON public.run_metadata TO {role};"):
        open_manager(roles.url(role))


@pytest.mark.parametrize("shape", ["schema"], indirect=True)
def test_a_schema_that_may_not_be_used_is_named(
    host: HostWriter, open_manager: OpenManager, roles: Roles
) -> None:
    role = roles.of_the_page(DELETER)
    roles.revoke(role, "USAGE ON SCHEMA app")
    with pytest.raises(HostError) as caught:
        open_manager(roles.url(role))
    assert grants_in(caught.value.message) == [f"GRANT USAGE ON SCHEMA app TO {role};"]


def test_checkpoints_in_a_schema_that_may_not_be_used_are_not_taken_for_none(
    host: HostWriter, open_manager: OpenManager, roles: Roles
) -> None:
    host.execute("CREATE SCHEMA graphs; ALTER TABLE checkpoints SET SCHEMA graphs")
    role = roles.bare()
    host.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public, graphs TO {role}")
    url = roles.url(role)
    path = {"options": "-csearch_path=public,graphs"}
    with pytest.raises(HostError) as caught:
        open_manager(url.update_query_dict(path))
    assert "“graphs”, which holds “checkpoints”" in caught.value.message
    # Where the search path does not name it, it is another application's.
    open_manager(url)


def test_what_is_granted_later_needs_no_restart(
    host: HostWriter, open_manager: OpenManager, admin: Actor, roles: Roles
) -> None:
    role = roles.of_the_page(READER)
    roles.revoke(role, "SELECT ON logs")
    (run,) = host.add_runs(1)
    manager = open_manager(roles.url(role))
    with pytest.raises(MissingGrantError):
        manager.reviewing.logs(admin, run, None, FIRST)
    host.execute(f"GRANT SELECT ON logs TO {role}")
    assert manager.reviewing.logs(admin, run, None, FIRST).total == 1
    assert manager.reviewing.unreadable == {}
    assert manager.deleting.denied is not None
    host.execute(f"GRANT DELETE, UPDATE ON run_metadata, {TRACES} TO {role}")
    titles(manager, admin)
    assert manager.deleting.denied is None
    with recorded(manager) as statements:
        titles(manager, admin)
    assert not any(ASKS_FOR_RIGHTS in one for one in statements)


@pytest.mark.parametrize("what", ["logs", "checkpoints", "checkpoint_writes", "checkpoint_blobs"])
def test_a_table_that_may_not_be_read_leaves_the_rest_of_a_run(
    host: HostWriter, open_manager: OpenManager, admin: Actor, roles: Roles, what: str
) -> None:
    role = roles.of_the_page(READER)
    roles.revoke(role, f"SELECT ON {what}")
    (run,) = host.add_runs(1)
    manager = open_manager(roles.url(role))
    review = manager.reviewing
    assert review.run(admin, run).has_row
    tables, _left = review.footprint(admin, run)
    assert {one.table for one in tables} == set(host.shape.tables) - {what}
    denied = []
    for read in (
        lambda: review.logs(admin, run, None, FIRST).items,
        lambda: review.log_levels(admin, run, "logs"),
        lambda: review.checkpoints(admin, run, FIRST).items,
        lambda: review.blobs(admin, run, FIRST).items,
    ):
        try:
            assert read()
        except MissingGrantError as error:
            denied += grants_in(error.message)
    assert set(denied) == {f"GRANT SELECT ON public.{what} TO {role};"}
    assert list(review.unreadable) == [what]


def test_where_it_may_not_look_a_run_is_not_said_to_have_nothing(
    host: HostWriter, open_manager: OpenManager, admin: Actor, roles: Roles
) -> None:
    role = roles.of_the_page(READER)
    roles.revoke(role, "SELECT ON logs")
    host.add_traces("orphan", checkpoints=0, writes=0, blobs=0, logs=1)
    manager = open_manager(roles.url(role))
    with pytest.raises(RunNotFoundError) as caught:
        manager.reviewing.run(admin, "orphan")
    assert grants_in(caught.value.message) == [f"GRANT SELECT ON public.logs TO {role};"]


def _read_whole(manager: RunManager, admin: Actor, run: str) -> None:
    manager.reviewing.run(admin, run)
    manager.reviewing.logs(admin, run, None, FIRST)


@pytest.mark.parametrize("table", ["run_metadata", "users", "logs"])
def test_a_right_that_is_revoked_meanwhile_is_named_as_exactly(
    host: HostWriter, open_manager: OpenManager, admin: Actor, roles: Roles, table: str
) -> None:
    role = roles.of_the_page(DELETER)
    (run,) = host.add_runs(1)
    manager = open_manager(roles.url(role))
    assert manager.reviewing.logs(admin, run, None, FIRST).total == 1
    roles.revoke(role, f"SELECT ON {table}")
    with pytest.raises(RunManagerError) as caught:
        _read_whole(manager, admin, run)
    (grant,) = grants_in(caught.value.message)
    assert f"ON public.{table} TO {role};" in grant
    host.execute(grant)
    assert manager.reviewing.logs(admin, run, None, FIRST).total == 1


def test_a_right_that_is_revoked_after_the_plan_lets_nothing_start(
    host: HostWriter, open_manager: OpenManager, admin: Actor, roles: Roles
) -> None:
    role = roles.of_the_page(DELETER)
    (run,) = host.add_runs(1)
    manager = open_manager(roles.url(role))
    plan = manager.deleting.plan(admin, [run])
    roles.revoke(role, "DELETE ON logs")
    with pytest.raises(MissingGrantError, match=f"GRANT DELETE ON public.logs TO {role};"):
        manager.deleting.start(admin, plan)
    assert manager.deleting.denied is not None
    assert all(host.counts(run).values())


def test_a_right_that_is_revoked_in_the_middle_ends_the_deletion(
    host: HostWriter,
    open_manager: OpenManager,
    admin: Actor,
    roles: Roles,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    in_batches_of(2, monkeypatch)
    role = roles.of_the_page(DELETER)
    runs = host.add_runs(8)
    manager = open_manager(roles.url(role))
    plan = manager.deleting.plan(admin, runs)

    def revoke(_done: int, _failed: int) -> None:
        roles.revoke(role, "DELETE ON logs")

    receipt = execute_here(manager, admin, plan, on_progress=revoke)
    assert deleted(receipt) == set(runs[:2])
    assert all(all(host.counts(run).values()) for run in runs[2:])
    (reason,) = set(errors(receipt).values())
    assert "at table “logs”: permission denied for table logs" in reason
    assert "docs/own-database.md" in reason


def test_a_right_that_a_trigger_lacks_is_not_said_to_be_the_roles_on_the_runs(
    host: HostWriter, open_manager: OpenManager, admin: Actor, roles: Roles
) -> None:
    host.execute("CREATE TABLE audit (run text)")
    host.add_trigger("run_metadata", "INSERT INTO audit VALUES (old.thread_id); RETURN old;")
    (run,) = host.add_runs(1)
    manager = open_manager(roles.url(roles.of_the_page(DELETER)))
    reason = errors(delete(manager, admin, [run]))[run]
    assert reason.startswith(
        "A trigger of the host's was denied what it does when rows go, at table “run_metadata”: "
        "permission denied for table audit (in PL/pgSQL function refuse() line 1"
    )
    assert "may not delete from run_metadata" not in reason
    assert all(host.counts(run).values())


def test_a_denial_that_no_grant_of_ours_explains_has_the_databases_words(
    host: HostWriter, open_manager: OpenManager, admin: Actor, roles: Roles
) -> None:
    """The view may be read, the function that it asks may not."""
    host.execute(
        "CREATE FUNCTION secret() RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$;"
        "ALTER TABLE run_metadata RENAME TO threads;"
        "CREATE VIEW run_metadata WITH (security_invoker) AS"
        " SELECT *, secret() AS more FROM threads;"
    )
    role = roles.of_the_page(READER)
    host.execute("REVOKE EXECUTE ON FUNCTION secret() FROM PUBLIC")
    host.execute(f"GRANT SELECT ON threads TO {role}")
    (run,) = host.add_runs(1)
    manager = open_manager(roles.url(role))
    with pytest.raises(DatabaseDeniedError, match=r"\(permission denied for function secret\)"):
        manager.reviewing.run(admin, run)


def test_a_start_writes_what_is_lacking_to_the_log(
    open_manager: OpenManager, roles: Roles, caplog: pytest.LogCaptureFixture
) -> None:
    role = roles.of_the_page(READER)
    open_manager(roles.url(role))
    assert f"GRANT DELETE, UPDATE (run_name) ON public.run_metadata TO {role};" in caplog.text
