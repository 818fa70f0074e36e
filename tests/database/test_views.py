"""A host that differs is described by views: what is behind one counts as on a table of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runmanager.errors import MissingGrantError
from runmanager.filters import RunFilter
from runmanager.paging import PageRequest
from tests.conftest import every_shape
from tests.hosts import fill
from tests.operations import delete, deleted, errors
from tests.roles import DELETER, READER, grants_in

if TYPE_CHECKING:
    from runmanager.records import Actor
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter
    from tests.roles import Roles

RENAMED = """
    ALTER TABLE run_metadata RENAME TO thread;
    ALTER TABLE thread RENAME thread_id TO id;
    ALTER TABLE thread RENAME created_at TO made_at;
    CREATE SCHEMA runmanager;
    CREATE VIEW runmanager.run_metadata AS SELECT
        id AS thread_id, run_name, status, made_at AS created_at, user_id, workspace_id
        FROM thread;
"""
JOINED = (
    "SELECT t.id AS thread_id, t.run_name, t.status, t.made_at AS created_at, t.user_id,"
    " t.workspace_id FROM thread t"
)


def by_views(host: HostWriter, ddl: str = RENAMED) -> Any:
    """Let the host have another layout; the address that finds its views first."""
    host.execute(ddl)
    path = f"-csearch_path=runmanager,{host.shape.schema}"
    return host.url.difference_update_query(["options"]).update_query_dict({"options": path})


def ids(manager: RunManager, admin: Actor, run_filter: RunFilter | None = None) -> set[str]:
    found = manager.finding.list_runs(admin, run_filter or RunFilter(), PageRequest(1, 200))
    return {run.thread_id for run in found.items}


@every_shape
def test_runs_behind_a_view_are_listed_opened_planned_and_deleted(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    run, other = host.add_runs(2, user="kate")
    host.execute(
        f"CREATE TABLE steps (id int PRIMARY KEY, run {host.shape.thread_id} REFERENCES"
        " run_metadata ON DELETE CASCADE);"
        "CREATE TABLE events (step int REFERENCES steps ON DELETE CASCADE)"
    )
    host.execute("INSERT INTO steps VALUES (1, %s), (2, %s), (3, %s)", run, run, other)
    host.execute("INSERT INTO events SELECT id FROM steps, generate_series(1, 4)")
    manager = open_manager(by_views(host))
    assert ids(manager, admin, RunFilter(username="kate")) == {run, other}
    assert manager.reviewing.run(admin, run).has_row
    plan = manager.deleting.plan(admin, [run])
    going = {table.table: table.rows for table in plan.tables}
    assert (going["run_metadata"], going["steps"], going["events"]) == (1, 2, 8)
    assert plan.left_behind == ()
    receipt = delete(manager, admin, [], plan=plan)
    assert dict(receipt.tables) == going
    assert receipt.also_gone == ()
    assert ids(manager, admin) == {other}
    assert host.execute("SELECT id FROM steps") == [(3,)]


def test_a_key_to_a_column_that_the_view_does_not_show_is_followed(
    host: HostWriter, open_manager: OpenManager, admin: Actor, roles: Roles
) -> None:
    (run,) = host.add_runs(1)
    host.execute(
        "ALTER TABLE run_metadata ADD number bigserial UNIQUE;"
        "CREATE TABLE steps (run bigint REFERENCES run_metadata (number) ON DELETE CASCADE);"
        "INSERT INTO steps SELECT number FROM run_metadata"
    )
    manager = open_manager(by_views(host))
    plan = manager.deleting.plan(admin, [run])
    assert {table.table: table.rows for table in plan.tables}["steps"] == 1
    assert dict(delete(manager, admin, [], plan=plan).tables)["steps"] == 1


def test_hints_and_lists_are_those_of_the_table_behind(
    host: HostWriter, open_manager: OpenManager
) -> None:
    fill(host, 5_000)
    host.execute(
        "CREATE INDEX ON run_metadata (created_at DESC, thread_id DESC);"
        "CREATE INDEX ON run_metadata (user_id, created_at DESC)"
    )
    on_table = open_manager()._access._schema[1]
    url = by_views(host)
    host.execute("CREATE VIEW runmanager.users AS SELECT * FROM public.users WHERE id IS NOT NULL")
    assert open_manager(url)._access._schema[1] == on_table
    assert {"thread_id", "user_id"} <= on_table.indexed
    assert "user_id" in on_table.ordered


@pytest.mark.parametrize(
    ("view", "why"),
    [
        (f"{JOINED} LEFT JOIN people p ON p.id = t.user_id", "not automatically updatable"),
        (f"{JOINED} UNION ALL {JOINED}", "UNION"),
        (f"{JOINED.replace('SELECT', 'SELECT DISTINCT')}", "DISTINCT"),
        (
            (
                "SELECT id AS thread_id, max(run_name) AS run_name, max(status) AS status,"
                " max(made_at) AS created_at, max(user_id) AS user_id,"
                " max(workspace_id) AS workspace_id FROM thread GROUP BY id"
            ),
            "GROUP BY",
        ),
    ],
    ids=["left join", "union", "distinct", "aggregate"],
)
def test_what_cannot_be_deleted_through_is_read_only_and_says_why(
    host: HostWriter,
    open_manager: OpenManager,
    admin: Actor,
    caplog: pytest.LogCaptureFixture,
    view: str,
    why: str,
) -> None:
    runs = host.add_runs(2)
    url = by_views(host)
    host.execute(
        "ALTER TABLE users RENAME TO people; CREATE VIEW users AS TABLE people;"
        f"DROP VIEW runmanager.run_metadata; CREATE VIEW runmanager.run_metadata AS {view}"
    )
    manager = open_manager(url)
    assert ids(manager, admin) == set(runs)
    assert manager.reviewing.run(admin, runs[0]).has_row
    said = manager.deleting.denied or ""
    assert said.startswith("No run can be deleted through the view “run_metadata”")
    assert "Let it show plain columns of one table" in said
    assert said in caplog.text
    with pytest.raises(MissingGrantError, match="through the view"):
        manager.deleting.plan(admin, runs)


def test_a_materialized_view_is_read_only(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    (run,) = host.add_runs(1)
    url = by_views(host)
    host.execute(
        "DROP VIEW runmanager.run_metadata;"
        f"CREATE MATERIALIZED VIEW runmanager.run_metadata AS {JOINED}"
    )
    manager = open_manager(url)
    assert ids(manager, admin) == {run}
    assert "a materialized view is a copy" in (manager.deleting.denied or "")


def test_a_soft_deletion_by_a_trigger_goes_on(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    run, other = host.add_runs(2)
    url = by_views(host)
    host.execute(
        "ALTER TABLE thread ADD gone_at timestamptz;"
        "CREATE OR REPLACE VIEW runmanager.run_metadata AS SELECT id AS thread_id, run_name,"
        " status, made_at AS created_at, user_id, workspace_id FROM thread WHERE gone_at IS NULL;"
        "CREATE FUNCTION soft() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " UPDATE thread SET gone_at = now() WHERE id = old.thread_id; RETURN old; END $$;"
        "CREATE TRIGGER soft INSTEAD OF DELETE ON runmanager.run_metadata FOR EACH ROW"
        " EXECUTE FUNCTION soft()"
    )
    manager = open_manager(url)
    plan = manager.deleting.plan(admin, [run])
    assert "A trigger or rule of the view “run_metadata” decides" in " ".join(plan.unseen)
    receipt = delete(manager, admin, [run], plan=plan)
    assert (deleted(receipt), errors(receipt)) == ({run}, {})
    assert host.execute("SELECT id FROM thread WHERE gone_at IS NOT NULL") == [(run,)]
    assert host.count("logs", run) == 0
    assert host.count("logs", other) == 1


@pytest.mark.parametrize("rule", ["CASCADE", "SET NULL"])
def test_logs_may_be_a_view_and_go_with_their_runs(
    host: HostWriter, open_manager: OpenManager, admin: Actor, rule: str
) -> None:
    run, other = host.add_runs(2)
    host.execute(
        "CREATE TABLE lines (nr bigserial PRIMARY KEY, run text REFERENCES run_metadata"
        f" ON DELETE {rule}, at timestamptz, said text, is_log boolean);"
        "DROP TABLE logs"
    )
    host.execute(
        "INSERT INTO lines (run, at, said, is_log) SELECT r, now(), 'line ' || n, n <= 5"
        " FROM unnest(%s::text[]) r, generate_series(1, 8) n",
        [run, other],
    )
    url = by_views(host)
    host.execute(
        "CREATE VIEW runmanager.logs AS SELECT nr AS id, run AS thread_id, at AS created_at,"
        " said AS message FROM lines WHERE is_log"
    )
    # Its logs were written at this moment.
    manager = open_manager(url, active_minutes=0)
    lines = manager.reviewing.logs(admin, run, None, PageRequest())
    assert lines.total == 5
    assert manager.reviewing.log_line(admin, run, None, lines.items[0].key).message is not None
    plan = manager.deleting.plan(admin, [run])
    going = {table.table: table.rows for table in plan.tables}
    # Where the database takes them all along, also those that the view leaves out are counted.
    assert (going.get("lines"), going.get("logs")) == (
        (8, None) if rule == "CASCADE" else (None, 5)
    )
    assert dict(delete(manager, admin, [], plan=plan).tables) == going
    remaining = host.execute("SELECT run, count(*) FROM lines GROUP BY 1 ORDER BY 1 NULLS FIRST")
    assert remaining == ([(other, 8)] if rule == "CASCADE" else [(None, 3), (other, 8)])


def test_the_views_alone_are_granted(
    host: HostWriter, open_manager: OpenManager, admin: Actor, roles: Roles
) -> None:
    run, _other = host.add_runs(2)
    role = roles.of_the_page(DELETER)
    url = by_views(host)
    host.execute(
        f"REVOKE ALL ON thread FROM {role}; GRANT USAGE ON SCHEMA runmanager TO {role};"
        f"GRANT SELECT, DELETE, UPDATE (run_name) ON runmanager.run_metadata TO {role}"
    )
    manager = open_manager(url.set(username=role))
    assert deleted(delete(manager, admin, [run])) == {run}


def test_a_reader_of_views_sees_what_would_go_and_deletes_nothing(
    host: HostWriter, open_manager: OpenManager, admin: Actor, roles: Roles
) -> None:
    (run,) = host.add_runs(1)
    host.execute("CREATE TABLE steps (run text REFERENCES run_metadata ON DELETE CASCADE)")
    host.execute("INSERT INTO steps VALUES (%s)", run)
    role = roles.of_the_page(READER)
    url = by_views(host)
    host.execute(
        f"GRANT USAGE ON SCHEMA runmanager TO {role};"
        f"GRANT SELECT ON runmanager.run_metadata, steps TO {role}"
    )
    manager = open_manager(url.set(username=role))
    going = {one.table: one.rows for one in manager.reviewing.footprint(admin, run)[0]}
    assert going["steps"] == 1
    said = manager.deleting.denied or ""
    assert "GRANT DELETE, UPDATE (run_name) ON runmanager.run_metadata" in said
    assert "through the view" not in said


def test_an_owner_of_a_view_who_lacks_a_right_is_named(
    host: HostWriter, open_manager: OpenManager, admin: Actor, roles: Roles
) -> None:
    host.add_runs(1)
    url = by_views(host)
    owner = roles.bare()
    host.execute(
        f"GRANT SELECT ON thread TO {owner}; ALTER VIEW runmanager.run_metadata OWNER TO {owner}"
    )
    said = open_manager(url).deleting.denied or ""
    assert "a right is lacking behind it: permission denied for table thread" in said


@pytest.mark.parametrize("shape", ["uuid"], indirect=True)
def test_an_id_that_the_view_shows_as_text_is_followed_all_the_same(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    run, other = host.add_runs(2)
    host.execute(
        "CREATE TABLE steps (run uuid REFERENCES run_metadata ON DELETE CASCADE);"
        "INSERT INTO steps SELECT thread_id FROM run_metadata"
    )
    manager = open_manager(by_views(host, RENAMED.replace("id AS", "id::text AS")))
    assert {one.table for one in manager.reviewing.footprint(admin, run)[0]} >= {"steps"}
    plan = manager.deleting.plan(admin, [run])
    assert {table.table: table.rows for table in plan.tables}["steps"] == 1
    assert dict(delete(manager, admin, [], plan=plan).tables)["steps"] == 1
    assert host.execute("SELECT run::text FROM steps") == [(other,)]


def test_what_hangs_on_a_computed_id_cannot_be_found_and_is_not_deleted(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    (run,) = host.add_runs(1)
    host.execute("CREATE TABLE steps (run text REFERENCES run_metadata ON DELETE CASCADE)")
    url = by_views(host, RENAMED.replace("id AS", "'run ' || id AS"))
    manager = open_manager(url)
    assert ids(manager, admin) == {f"run {run}"}
    assert manager.reviewing.run(admin, f"run {run}").has_row
    assert "which plain column of thread is a run's id" in (manager.deleting.denied or "")
    with pytest.raises(MissingGrantError, match="by foreign keys cannot be found"):
        manager.deleting.plan(admin, [f"run {run}"])
    host.execute("DROP TABLE steps")
    assert deleted(delete(manager, admin, [f"run {run}"])) == {f"run {run}"}


def test_a_log_that_computes_its_id_goes_with_what_refers_to_a_column_that_it_shows(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    (run,) = host.add_runs(1)
    host.execute(
        "DROP TABLE logs; CREATE TABLE lines (nr bigserial PRIMARY KEY, said jsonb);"
        "CREATE TABLE files (line bigint REFERENCES lines ON DELETE CASCADE);"
        "CREATE VIEW logs AS SELECT nr AS id, said->>'run' AS thread_id, said FROM lines"
    )
    host.execute("INSERT INTO lines (said) VALUES (jsonb_build_object('run', %s::text))", run)
    host.execute("INSERT INTO files SELECT nr FROM lines")
    going = dict(delete(open_manager(), admin, [run]).tables)
    assert (going["logs"], going["files"]) == (1, 1)


def test_a_table_behind_a_view_that_the_role_must_read_is_named_with_its_grant(
    host: HostWriter, open_manager: OpenManager, admin: Actor, roles: Roles
) -> None:
    run, _other = host.add_runs(2)
    host.execute(
        "ALTER TABLE run_metadata ADD number bigserial UNIQUE;"
        "CREATE TABLE steps (run bigint REFERENCES run_metadata (number) ON DELETE CASCADE);"
        "CREATE TABLE texts (run text REFERENCES run_metadata ON DELETE CASCADE)"
    )
    role = roles.of_the_page(DELETER)
    url = by_views(host)
    host.execute(
        f"REVOKE ALL ON thread FROM {role}; GRANT USAGE ON SCHEMA runmanager TO {role};"
        f"GRANT SELECT, DELETE, UPDATE (run_name) ON runmanager.run_metadata TO {role};"
        f"GRANT SELECT ON steps, texts TO {role}"
    )
    manager = open_manager(url.set(username=role))
    # What can be found is shown all the same.
    shown = {one.table for one in manager.reviewing.footprint(admin, run)[0]}
    assert "texts" in shown
    assert "steps" not in shown
    said = manager.deleting.denied or ""
    assert "GRANT SELECT ON public.thread TO" in said
    for grant in grants_in(said):
        host.execute(grant)
    assert deleted(delete(manager, admin, [run])) == {run}


def test_a_log_found_by_foreign_keys_is_deleted_from_the_table_behind_its_view(
    host: HostWriter, open_manager: OpenManager, admin: Actor, roles: Roles
) -> None:
    (run,) = host.add_runs(1)
    # The page's role has rights on the sequence of logs too.
    host.execute(
        "DROP TABLE logs; CREATE SEQUENCE logs_id_seq;"
        "CREATE TABLE steps (id int PRIMARY KEY, run text"
        " REFERENCES run_metadata ON DELETE CASCADE);"
        "CREATE TABLE lines (step int REFERENCES steps ON DELETE CASCADE, run text);"
        "CREATE VIEW logs AS SELECT step AS id, run AS thread_id FROM lines"
    )
    host.execute("INSERT INTO steps VALUES (1, %s)", run)
    host.execute("INSERT INTO lines VALUES (1, 'another'), (1, %s)", run)
    role = roles.of_the_page(DELETER)
    host.execute(f"GRANT SELECT ON steps TO {role}")
    manager = open_manager(host.url.set(username=role))
    said = manager.deleting.denied or ""
    assert "GRANT SELECT, DELETE ON public.lines TO" in said
    for grant in grants_in(said):
        host.execute(grant)
    assert dict(delete(manager, admin, [run]).tables)["logs"] == 2


def test_a_run_that_the_view_leaves_out_is_no_orphan(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    shown, hidden, orphan = host.add_runs(3)
    url = by_views(host, RENAMED.replace("FROM thread;", "FROM thread WHERE run_name <> 'secret';"))
    host.execute("UPDATE thread SET run_name = 'secret' WHERE id = %s", hidden)
    host.execute("DELETE FROM thread WHERE id = %s", orphan)
    manager = open_manager(url)
    plan = manager.deleting.plan(admin, [shown, hidden, orphan])
    assert [run.thread_id for run in plan.runs] == [shown, orphan]
    ((held, why),) = [(run.thread_id, run.reason) for run in plan.held]
    assert (held, "the view “run_metadata” leaves it out" in why) == (hidden, True)
    # Nor where it is left out only after the plan was made.
    host.execute("UPDATE thread SET run_name = 'secret' WHERE id = %s", shown)
    receipt = delete(manager, admin, [], plan=plan)
    assert (deleted(receipt), errors(receipt)) == ({orphan}, {shown: why, hidden: why})
    assert (host.count("logs", shown), host.count("logs", hidden)) == (1, 1)


@pytest.mark.parametrize("of", ["logs", "run_metadata"])
def test_a_rule_that_keeps_rows_from_being_counted_is_said_beforehand(
    host: HostWriter, open_manager: OpenManager, admin: Actor, of: str
) -> None:
    (run,) = host.add_runs(1)
    host.execute(f"CREATE RULE forget AS ON DELETE TO {of} DO ALSO NOTIFY gone")
    manager = open_manager()
    assert ids(manager, admin) == {run}
    with pytest.raises(MissingGrantError, match=f"a rule ON DELETE of “{of}” keeps its rows from"):
        manager.deleting.plan(admin, [run])
    host.execute(f"DROP RULE forget ON {of}; CREATE RULE other AS ON UPDATE TO {of} DO NOTHING")
    assert deleted(delete(manager, admin, [run])) == {run}


def test_a_view_whose_rule_deletes_from_a_table_counts_as_that_table(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    (run,) = host.add_runs(1)
    host.execute("CREATE TABLE steps (run text REFERENCES run_metadata ON DELETE CASCADE)")
    host.execute("INSERT INTO steps VALUES (%s)", run)
    url = by_views(host)
    host.execute(
        "CREATE RULE go AS ON DELETE TO runmanager.run_metadata DO INSTEAD DELETE FROM thread"
        " WHERE id = old.thread_id"
        " RETURNING id, run_name, status, made_at, user_id, workspace_id"
    )
    receipt = delete(open_manager(url), admin, [run])
    assert (dict(receipt.tables)["steps"], receipt.also_gone) == (1, ())
