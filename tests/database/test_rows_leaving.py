"""Rows on their way into the archive: what is kept, refused, taken along, hidden or cleared."""

from __future__ import annotations

import os
import threading
import tracemalloc
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import sqlalchemy as sa

from runmanager.batches import KeptRowsError, RefusedError
from runmanager.database import FOREIGN_KEY_VIOLATION, sqlstate
from runmanager.deletion.forms import read_forms, unrestorable
from runmanager.deletion.rows import delete_rows
from runmanager.errors import ArchiveError, OutdatedPlanError
from tests.archives import Batches, mounted, values_of
from tests.hosts import connect
from tests.operations import until
from tests.roles import DELETER

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.hosts import HostWriter
    from tests.roles import Roles

MESSAGES = """
    CREATE TABLE messages (id int PRIMARY KEY,
        thread_id text REFERENCES run_metadata ON DELETE CASCADE, text text);
    CREATE TABLE tool_calls (id int PRIMARY KEY,
        message int REFERENCES messages ON DELETE CASCADE);
"""
RENAMED = """
    ALTER TABLE run_metadata RENAME TO thread;
    ALTER TABLE thread RENAME thread_id TO id;
    ALTER TABLE thread ADD hidden text DEFAULT 'a secret';
    CREATE SCHEMA runmanager;
    CREATE VIEW runmanager.run_metadata AS SELECT
        id AS thread_id, run_name, status, created_at, user_id, workspace_id,
        upper(run_name) AS loud
        FROM thread WHERE run_name IS DISTINCT FROM 'left out';
"""


@pytest.fixture
def batches(host: HostWriter, tmp_path: Path) -> Batches:
    return Batches(host, tmp_path / "archive")


def views_first(host: HostWriter) -> sa.URL:
    return host.url.update_query_dict({"options": "-csearch_path=runmanager,public"})


def lacks(batches: Batches) -> tuple[str, ...]:
    with batches.opened() as (database, host), database.read() as connection:
        return unrestorable(read_forms(connection, host))


@pytest.mark.parametrize("table", ["logs", "run_metadata"])
def test_rows_that_the_database_keeps_without_a_word_are_found(
    table: str, host: HostWriter, batches: Batches
) -> None:
    runs = host.add_runs(2)
    before = values_of(host)
    host.add_trigger(table, f"RETURN CASE WHEN old.thread_id = '{runs[0]}' THEN NULL ELSE old END;")
    with pytest.raises(KeptRowsError) as raised:
        batches.delete(runs)
    assert raised.value.table == table
    assert values_of(host) == before
    assert batches.folder.names() == ()
    assert batches.delete(runs[1:])["logs"] == 1


def test_what_the_database_refuses_is_told_and_leaves_nothing(
    host: HostWriter, batches: Batches
) -> None:
    host.execute("CREATE TABLE bills (log bigint REFERENCES logs)")
    (run,) = host.add_runs(1)
    host.execute("INSERT INTO bills SELECT id FROM logs")
    before = values_of(host)
    with pytest.raises(RefusedError) as raised:
        batches.delete([run])
    assert (raised.value.table, sqlstate(raised.value.cause)) == ("logs", FOREIGN_KEY_VIOLATION)
    assert values_of(host) == before
    assert batches.folder.names() == ()


def test_a_connection_that_ends_in_the_middle_is_given_up(
    host: HostWriter, batches: Batches
) -> None:
    (run,) = host.add_runs(1)
    host.add_trigger(
        "logs", "PERFORM pg_terminate_backend(pg_backend_pid()); RETURN old;", when="AFTER"
    )
    before = values_of(host)
    with batches.opened() as (database, known):
        with pytest.raises(RefusedError):
            batches.delete_from(database, known, [run])
        with database.read() as connection:
            assert connection.scalar(sa.text("SELECT 1")) == 1
    assert values_of(host) == before


def test_rows_that_only_the_database_may_delete_are_archived_too(
    host: HostWriter, tmp_path: Path, roles: Roles
) -> None:
    host.execute(MESSAGES)
    runs = host.add_runs(2)
    host.execute("INSERT INTO messages SELECT n, %s, 'm' FROM generate_series(1, 5) n", runs[0])
    host.execute("INSERT INTO tool_calls SELECT n, n FROM generate_series(1, 5) n")
    before = values_of(host)
    role = roles.of_the_page(DELETER)
    host.execute(f"GRANT SELECT ON messages, tool_calls TO {role}")
    batches = Batches(host, tmp_path / "archive", roles.url(role))
    gone = batches.delete(runs)
    assert (gone["messages"], gone["tool_calls"]) == (5, 5)
    assert values_of(host)["public.tool_calls"] == []
    assert batches.restore_by_psql() == ""
    assert values_of(host) == before


# Views.


def test_all_that_is_behind_a_view_is_archived_and_only_what_it_shows_goes(
    host: HostWriter, tmp_path: Path
) -> None:
    run, other = host.add_runs(2)
    host.execute(RENAMED)
    host.execute("UPDATE thread SET run_name = 'left out' WHERE id = %s", other)
    before = values_of(host)
    batches = Batches(host, tmp_path / "archive", views_first(host))
    assert lacks(batches) == ()
    with batches.opened() as (database, known):
        gone = batches.delete_from(database, known, [run, other])
    assert gone["run_metadata"] == 1
    assert host.execute("SELECT id FROM thread") == [(other,)]
    (table,) = (one for one in batches.header().tables if one.name == "run_metadata")
    assert (table.table, table.run_column, table.is_whole) == ("thread", 0, True)
    assert table.columns[0].name == "id"
    assert "hidden" in {column.name for column in table.columns}
    batches.restore_by_psql()
    assert values_of(host) == before


def test_a_role_that_may_use_the_view_alone_archives_what_it_shows_and_the_plan_says_so(
    host: HostWriter, tmp_path: Path, roles: Roles
) -> None:
    (run,) = host.add_runs(1)
    host.execute(RENAMED)
    role = roles.bare()
    host.execute(
        f"GRANT USAGE ON SCHEMA runmanager TO {role};"
        f"GRANT SELECT, DELETE, UPDATE (run_name) ON runmanager.run_metadata TO {role};"
        f"GRANT SELECT ON users, workspaces TO {role};"
        f"GRANT SELECT, DELETE ON logs, checkpoints, checkpoint_blobs, checkpoint_writes TO {role}"
    )
    batches = Batches(host, tmp_path / "archive", views_first(host).set(username=role))
    (lack,) = lacks(batches)
    assert "“run_metadata” does not show the columns " in lack
    assert "“hidden”" in lack
    assert batches.delete([run])["run_metadata"] == 1
    (table,) = (one for one in batches.header().tables if one.name == "run_metadata")
    assert (table.table, table.is_whole) == ("thread", False)
    assert [column.name for column in table.columns][:2] == ["id", "run_name"]
    batches.restore_by_psql()
    assert host.execute("SELECT id, run_name FROM thread") == [(run, "Order processing")]


def test_a_view_that_a_trigger_empties_is_archived_as_it_shows_itself(
    host: HostWriter, tmp_path: Path
) -> None:
    (run,) = host.add_runs(1)
    host.execute(
        "ALTER TABLE logs RENAME TO lines; ALTER TABLE lines ADD deleted boolean DEFAULT false;"
        "CREATE VIEW logs AS SELECT id, thread_id, message FROM lines WHERE NOT deleted;"
    )
    host.execute(
        "CREATE FUNCTION hide() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " UPDATE lines SET deleted = true WHERE id = old.id; RETURN old; END $$;"
        "CREATE TRIGGER hide INSTEAD OF DELETE ON logs FOR EACH ROW EXECUTE FUNCTION hide()"
    )
    batches = Batches(host, tmp_path / "archive")
    (lack,) = lacks(batches)
    assert "INSTEAD OF INSERT" in lack
    assert batches.delete([run])["logs"] == 1
    (table,) = (one for one in batches.header().tables if one.name == "logs")
    assert (table.table, table.is_whole, table.rows) == ("logs", False, {run: 1})


def test_a_column_that_was_added_since_the_schema_was_read_is_not_lost(
    host: HostWriter, batches: Batches
) -> None:
    (run,) = host.add_runs(1)
    with batches.opened() as (database, known):
        host.execute("ALTER TABLE logs ADD late text DEFAULT 'x'")
        with pytest.raises(OutdatedPlanError):
            batches.delete_from(database, known, [run])
    assert not host.is_gone(run)


# References that are cleared.


def test_references_that_the_deletion_clears_are_put_back_where_they_are_empty(
    host: HostWriter, batches: Batches
) -> None:
    host.execute(
        'CREATE TABLE invoices (id int, "no ""%" text, run text REFERENCES run_metadata'
        ' ON DELETE SET NULL, PRIMARY KEY (id, "no ""%"))'
    )
    runs = host.add_runs(2)
    host.execute(
        "INSERT INTO invoices SELECT n, 'it''s \\ ' || n, %s FROM generate_series(1, 3) n", runs[0]
    )
    before = values_of(host)
    batches.delete([runs[0]])
    assert host.execute("SELECT DISTINCT run FROM invoices") == [(None,)]
    assert batches.header().references == 3
    assert batches.restore_by_psql() == ""
    assert values_of(host) == before
    batches.delete([runs[0]])
    host.execute("UPDATE invoices SET run = %s WHERE id = 2", runs[1])
    batches.psql(batches.script())
    assert host.execute("SELECT run FROM invoices ORDER BY id") == [
        (runs[0],),
        (runs[1],),
        (runs[0],),
    ]


def test_references_in_rows_that_a_later_batch_takes_come_back_from_the_last_to_the_first(
    host: HostWriter, batches: Batches
) -> None:
    host.execute(
        "ALTER TABLE run_metadata ADD FOREIGN KEY (parent_thread_id) REFERENCES run_metadata"
        " ON DELETE SET NULL"
    )
    runs = host.add_runs(3)
    host.execute(
        "UPDATE run_metadata SET parent_thread_id = %s WHERE thread_id <> %s", *2 * runs[:1]
    )
    before = values_of(host)
    for run in runs:
        batches.delete([run])
    assert [batches.header(number).references for number in (1, 2, 3)] == [2, 0, 0]
    batches.restore_by_psql()
    assert values_of(host) == before


def test_references_that_cannot_be_recorded_are_named(
    host: HostWriter, tmp_path: Path, roles: Roles
) -> None:
    host.execute(
        "CREATE TABLE bills (run text REFERENCES run_metadata ON DELETE SET NULL);"
        "CREATE TABLE secrets (id int PRIMARY KEY, run text REFERENCES run_metadata"
        " ON DELETE SET NULL)"
    )
    (run,) = host.add_runs(1)
    host.execute("INSERT INTO bills VALUES (%s), (%s)", run, run)
    host.execute("INSERT INTO secrets VALUES (1, %s)", run)
    role = roles.of_the_page(DELETER)
    host.execute(f"GRANT SELECT ON bills TO {role}")
    batches = Batches(host, tmp_path / "archive", roles.url(role))
    batches.delete([run])
    bills, secrets = sorted(batches.header().unrecorded, key=lambda one: one.table)
    assert (bills.table, bills.rows) == ("bills", 2)
    assert "no primary key" in bills.why
    assert (secrets.table, secrets.rows) == ("secrets", None)
    assert "may not read “secrets”" in secrets.why
    assert batches.header().references == 0


# Beside writers.


def read_first(batches: Batches, database: Any, host: Any, thread_ids: Sequence[str]) -> bytes:
    """What a SELECT before the deletion would have archived."""
    with database.write() as connection:
        read = connection.execute(
            sa.text("SELECT message FROM logs WHERE thread_id = ANY(:ids)"),
            {"ids": list(thread_ids)},
        ).all()
        for unit in host.units:
            delete_rows(connection, host, unit, thread_ids)
    return "\n".join(row.message for row in read).encode()


@pytest.mark.parametrize("is_careful", [True, False])
def test_what_a_writer_changed_meanwhile_is_archived_as_it_went(
    is_careful: bool, host: HostWriter, batches: Batches
) -> None:
    (run,) = host.add_runs(1)
    found: list[bytes] = []
    with batches.opened() as (database, known), connect(host.url) as writer:
        writer.execute("BEGIN")
        writer.execute("UPDATE logs SET message = 'the newest words'")

        def work() -> None:
            if is_careful:
                batches.delete_from(database, known, [run])
                found.append(batches.script())
            else:
                found.append(read_first(batches, database, known, [run]))

        thread = threading.Thread(target=work)
        thread.start()
        until(
            lambda: host.execute(
                "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                " AND datname = current_database()"
            )
        )
        writer.execute("COMMIT")
        thread.join()
    assert host.is_gone(run)
    # Who reads first loses what was written since.
    assert (b"the newest words" in found[0]) == is_careful


# Large ones.


def test_a_run_with_very_many_rows_needs_no_memory_for_them(
    host: HostWriter, batches: Batches
) -> None:
    (run,) = host.add_runs(1)
    host.execute(
        "INSERT INTO logs (thread_id, message) SELECT %s, repeat(md5(n::text), 4)"
        " FROM generate_series(1, 60000) n",
        run,
    )
    before = values_of(host)
    with batches.opened() as (database, known):
        batches.delete_from(database, known, ["none"])
        tracemalloc.start()
        try:
            gone = batches.delete_from(database, known, [run])
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert gone["logs"] == 60_001
    # 10 MB of text.
    assert peak < 6 << 20
    batches.number = 2
    batches.psql(batches.script())
    assert values_of(host) == before


def test_a_disk_that_fills_up_in_the_middle_of_a_copy_leaves_all_as_it_was(
    host: HostWriter, tmp_path: Path
) -> None:
    (run,) = host.add_runs(1)
    with (
        host.connection.cursor() as cursor,
        cursor.copy("COPY logs (thread_id, message) FROM STDIN") as copy,
    ):
        for _row in range(400):
            copy.write_row((run, os.urandom(20_000).hex()))
    before = values_of(host)
    with mounted(tmp_path / "disk"):
        batches = Batches(host, tmp_path / "disk" / "archive")
        with batches.opened() as (database, known):
            with pytest.raises(ArchiveError, match="full"):
                batches.delete_from(database, known, [run])
            assert values_of(host) == before
            assert batches.folder.names() == ()
            with database.read() as connection:
                assert connection.scalar(sa.text("SELECT 1")) == 1
    idle = host.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE state LIKE '%%in transaction%%'"
        " AND datname = %s",
        host.connection.info.dbname,
    )
    assert idle == [(0,)]


def test_a_lost_server_says_so(host: HostWriter) -> None:
    from runmanager.database_copy import copied_lines

    engine = sa.create_engine(host.url)
    with engine.connect() as connection:
        lines = copied_lines(
            connection, sa.select(sa.func.pg_terminate_backend(sa.func.pg_backend_pid()))
        )
        with pytest.raises(psycopg.OperationalError):
            list(lines)
        assert connection.invalidated
    engine.dispose()
