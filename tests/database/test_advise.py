"""Advice on indexes: what is printed can be run, is of use, and is all that is wanting."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from runmanager.advice.catalog import read_catalog
from runmanager.advice.findings import Benefit
from runmanager.advice.sql import Advice, advise, as_sql
from runmanager.database import Database
from runmanager.host.catalog import read_host
from runmanager.settings import Settings
from tests.conftest import every_shape
from tests.hosts import connect, fill
from tests.processes import ROOT, address, environment

if TYPE_CHECKING:
    from pathlib import Path

    from tests.hosts import HostWriter

ENOUGH = 12_000  # runs, for an index to be of use
SECRET = "s3cret-pa55"
NEWEST = "created_at IS NOT NULL ORDER BY created_at DESC{}, thread_id DESC LIMIT 50"


def advice(host: HostWriter) -> tuple[Advice, ...]:
    return looked_at(host)[0]


def looked_at(host: HostWriter) -> tuple[tuple[Advice, ...], tuple[str, ...]]:
    database = Database(host.url, Settings(pool_size=2))
    try:
        with database.read() as connection:
            schema = read_host(connection)
            return advise(schema, read_catalog(connection, schema))
    finally:
        database.close()


def follow(host: HostWriter, advised: tuple[Advice, ...]) -> None:
    for one in advised:
        for statement in one.statements:
            host.execute(statement)


def tables(advised: tuple[Advice, ...]) -> list[str]:
    """The table, or else the extension, that each piece is for."""
    last = [one.statements[0].replace(" ONLY ", " ") for one in advised]
    return [text.partition(" ON ")[2].partition(" (")[0] or text for text in last]


def relations(host: HostWriter) -> list[tuple[object, ...]]:
    return host.execute("SELECT oid, relname, relfilenode FROM pg_class ORDER BY oid")


def run(settings: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as an administrator of the database runs it."""
    return subprocess.run(  # noqa: S603  our own program
        [sys.executable, "-m", "runmanager", "advise", *arguments],
        cwd=ROOT, env=environment(0, settings), capture_output=True, text=True, check=False,
    )  # fmt: skip


@every_shape
def test_all_that_is_advised_can_be_run_and_then_nothing_is_wanting(host: HostWriter) -> None:
    fill(host, ENOUGH)
    advised = advice(host)
    assert {one.benefit for one in advised} == set(Benefit)
    follow(host, advised)
    assert looked_at(host) == ((), ())


@every_shape
def test_nothing_is_created_by_asking(host: HostWriter) -> None:
    fill(host, ENOUGH)
    before = relations(host)
    assert advice(host) != ()
    assert relations(host) == before


@every_shape
@pytest.mark.parametrize("nulls", ["", " NULLS LAST"])
def test_what_is_advised_gives_the_order_of_the_list(host: HostWriter, nulls: str) -> None:
    fill(host, ENOUGH)
    if nulls:
        host.execute(
            "CREATE INDEX run_metadata_created_at_thread_id_idx"
            " ON run_metadata (created_at DESC NULLS LAST, thread_id DESC)"
        )
    ((user, workspace),) = host.execute(
        "SELECT user_id::text, workspace_id::text FROM run_metadata LIMIT 1"
    )
    follow(host, advice(host))
    for where, index in (
        ("true", "run_metadata_created_at_thread_id_idx"),
        (f"user_id = '{user}'", "run_metadata_user_id_created_at_thread_id_idx"),
        (
            f"workspace_id = '{workspace}'",
            "run_metadata_workspace_id_created_at_thread_id_idx",
        ),
        ("status = 'failed'", "run_metadata_status_created_at_thread_id_idx"),
    ):
        newest = NEWEST.format(nulls)
        plan = host.execute(
            f"EXPLAIN SELECT * FROM run_metadata WHERE {where} AND {newest}"  # noqa: S608
        )
        assert [line for (line,) in plan if index in line], plan
        assert not [line for (line,) in plan if "Sort" in line], plan


@every_shape
def test_what_is_advised_finds_a_part_of_an_id_or_name(host: HostWriter) -> None:
    fill(host, ENOUGH)
    follow(host, advice(host))
    plan = host.execute(
        "EXPLAIN SELECT * FROM run_metadata"
        " WHERE thread_id::text ILIKE '%0123456%' OR run_name ILIKE '%zanzibar%'"
    )
    lines = "\n".join(line for (line,) in plan)
    assert "run_metadata_thread_id_trgm_idx" in lines
    assert "run_metadata_run_name_trgm_idx" in lines


def test_tables_that_deleting_reads_whole_stand_first_however_small(host: HostWriter) -> None:
    fill(host, ENOUGH)
    host.execute(
        "CREATE TABLE billing (thread_id text);"
        "ALTER TABLE checkpoints DROP CONSTRAINT checkpoints_pkey;"
        "ALTER TABLE run_metadata DROP CONSTRAINT run_metadata_pkey"
    )
    advised = advice(host)
    first = tables(advised)[:4]
    assert first == ["run_metadata", "checkpoints", "logs", "billing"]
    assert {one.benefit for one in advised[:4]} == {Benefit.NEEDED}
    assert "stay behind in “billing”" in advised[3].why


def test_a_small_host_needs_no_more_than_that_and_is_told_so(host: HostWriter) -> None:
    host.add_runs(3)
    host.execute("CREATE TABLE notes (run text REFERENCES run_metadata)")
    host.execute("ANALYZE")
    advised, notes = looked_at(host)
    assert tables(advised) == ["logs"]
    (note,) = notes
    assert note.startswith("“run_metadata” is small (about 3 rows): below 10,000 rows")


def test_a_large_table_that_refers_to_what_is_deleted_is_named(host: HostWriter) -> None:
    host.execute(
        "CREATE TABLE pages (log bigint REFERENCES logs (id), who text REFERENCES users (id));"
        "CREATE TABLE notes (log bigint REFERENCES logs (id));"
        f"INSERT INTO logs (id) SELECT generate_series(1, {ENOUGH});"
        f"INSERT INTO pages SELECT generate_series(1, {ENOUGH}); ANALYZE"
    )
    _logs, pages = advice(host)
    assert pages.statements == ("CREATE INDEX CONCURRENTLY pages_log_idx\n    ON pages (log);",)
    assert pages.why.startswith("“pages” refers to “logs”")
    host.execute("CREATE INDEX ON pages USING hash (log)")
    assert tables(advice(host)) == ["logs"]


def test_reruns_that_refer_to_their_parent_need_one_index_and_get_one(host: HostWriter) -> None:
    fill(host, ENOUGH)
    host.execute(
        "ALTER TABLE run_metadata ADD FOREIGN KEY (parent_thread_id) REFERENCES run_metadata"
    )
    of_parent = [one for one in advice(host) if "(parent_thread_id)" in one.statements[0]]
    assert [one.benefit for one in of_parent] == [Benefit.NEEDED]


@pytest.mark.parametrize("kind", ["PRIMARY KEY (thread_id, n)", "UNIQUE (thread_id)"])
def test_a_key_counts_as_an_index(host: HostWriter, kind: str) -> None:
    host.execute(f"CREATE TABLE billing (n int, thread_id text, {kind})")
    assert "billing" not in tables(advice(host))


def test_what_is_there_in_an_equally_useful_form_is_not_advised(host: HostWriter) -> None:
    fill(host, ENOUGH)
    host.execute(
        "CREATE EXTENSION pg_trgm; CREATE INDEX ON run_metadata (created_at);"
        "CREATE INDEX ON run_metadata (user_id, created_at DESC);"
        "CREATE INDEX ON run_metadata (workspace_id, created_at, status);"
        "CREATE INDEX ON run_metadata (status, created_at, run_name);"
        "CREATE INDEX ON run_metadata (created_at, status);"
        "CREATE INDEX ON run_metadata USING hash (parent_thread_id);"
        "CREATE INDEX ON run_metadata USING gin (thread_id gin_trgm_ops, run_name gin_trgm_ops);"
        "CREATE INDEX ON logs (thread_id, created_at)"
    )
    assert advice(host) == ()


def test_a_partial_index_is_no_help(host: HostWriter) -> None:
    host.execute("CREATE INDEX ON logs (thread_id) WHERE level = 'ERROR'")
    assert tables(advice(host)) == ["logs"]


def test_odd_names_are_quoted_and_leave_no_comment(host: HostWriter) -> None:
    odd = '"b; DROP TABLE users\n; SELECT ""%s %% :x"'
    host.execute(f'CREATE TABLE {odd} ("Run %" text REFERENCES run_metadata ON DELETE CASCADE)')
    advised, notes = looked_at(host)
    text = as_sql(advised, notes)
    for one in advised:
        for statement in one.statements:
            text = text.replace(statement, "")
    assert {line[:3] for line in text.splitlines() if line} == {"-- "}
    follow(host, advised)
    assert advice(host) == ()


def test_names_of_indexes_are_short_and_new(host: HostWriter) -> None:
    long = "ü" * 30
    host.execute(f"CREATE TABLE {long}a (thread_id text); CREATE TABLE {long}b (thread_id text)")
    host.execute("CREATE SEQUENCE logs_thread_id_idx; CREATE VIEW logs_thread_id_idx1 AS SELECT 1")
    follow(host, advice(host))
    names = {name for (name,) in host.execute("SELECT relname FROM pg_class WHERE relkind = 'i'")}
    assert {"logs_thread_id_idx2", "ü" * 29 + "_idx", "ü" * 29 + "_idx1"} <= names
    assert advice(host) == ()


def test_a_partitioned_table_of_runs_is_indexed_part_by_part(host: HostWriter) -> None:
    host.execute(
        "DROP TABLE run_metadata; CREATE TABLE run_metadata (thread_id text, run_name text,"
        " status text, created_at timestamptz, user_id text, workspace_id text)"
        " PARTITION BY RANGE (created_at);"
        "CREATE TABLE runs_old PARTITION OF run_metadata FOR VALUES"
        " FROM (MINVALUE) TO ('2000-01-01');"
        "CREATE TABLE runs_new PARTITION OF run_metadata DEFAULT PARTITION BY LIST (status);"
        "CREATE SCHEMA parts; CREATE TABLE parts.rest PARTITION OF runs_new DEFAULT"
    )
    fill(host, ENOUGH)
    advised = advice(host)
    assert advised[0].statements == (
        "CREATE INDEX run_metadata_thread_id_idx\n    ON ONLY run_metadata (thread_id);",
        "CREATE INDEX runs_new_thread_id_idx\n    ON ONLY runs_new (thread_id);",
        "ALTER INDEX run_metadata_thread_id_idx ATTACH PARTITION runs_new_thread_id_idx;",
        "CREATE INDEX CONCURRENTLY runs_old_thread_id_idx\n    ON runs_old (thread_id);",
        "ALTER INDEX run_metadata_thread_id_idx ATTACH PARTITION runs_old_thread_id_idx;",
        "CREATE INDEX CONCURRENTLY rest_thread_id_idx\n    ON parts.rest (thread_id);",
        "ALTER INDEX runs_new_thread_id_idx ATTACH PARTITION parts.rest_thread_id_idx;",
    )
    assert "is partitioned" in advised[0].why
    follow(host, advised)
    assert advice(host) == ()
    newest = NEWEST.format("")
    plan = host.execute(f"EXPLAIN SELECT * FROM run_metadata WHERE {newest}")  # noqa: S608
    assert [line for (line,) in plan if "rest_created_at_thread_id_idx" in line], plan


def test_behind_a_view_the_tables_get_the_advice(host: HostWriter) -> None:
    fill(host, ENOUGH)
    host.execute(
        "ALTER TABLE run_metadata RENAME TO stored; ALTER TABLE stored RENAME thread_id TO id;"
        "ALTER TABLE stored RENAME created_at TO made;"
        "CREATE VIEW run_metadata AS SELECT id AS thread_id, run_name, status, made AS created_at,"
        " user_id, workspace_id, parent_thread_id FROM stored"
    )
    host.execute("ALTER TABLE users RENAME TO people; CREATE VIEW users AS TABLE people")
    host.execute("ANALYZE")
    advised, notes = looked_at(host)
    assert notes == ()
    assert "stored" in tables(advised)
    assert "run_metadata" not in tables(advised)
    statements = [one.statements[-1] for one in advised]
    assert any("ON stored (user_id, made DESC, id DESC)" in one for one in statements)
    follow(host, advised)
    assert advice(host) == ()


def test_a_view_that_is_no_plain_one_is_left_to_its_owner(host: HostWriter) -> None:
    host.execute(
        "ALTER TABLE run_metadata RENAME TO stored;"
        "CREATE VIEW run_metadata AS TABLE stored UNION ALL TABLE stored"
    )
    _advised, notes = looked_at(host)
    assert (
        "“run_metadata” is a view: look at the indexes of the tables behind it yourself." in notes
    )


def test_a_view_that_casts_an_id_forfeits_its_index_and_is_named(host: HostWriter) -> None:
    host.execute(
        "ALTER TABLE run_metadata RENAME TO stored; CREATE VIEW run_metadata AS SELECT"
        " thread_id::varchar(99)::uuid::text AS thread_id, run_name, status, created_at,"
        " user_id::varchar AS user_id, workspace_id FROM stored"
    )
    _advised, notes = looked_at(host)
    assert (
        "The view “run_metadata” casts “stored.user_id”, so no index on it serves “user_id”: let "
        "the view show the column as it is." in notes
    )


def test_an_id_that_is_compared_as_text_is_named(host: HostWriter) -> None:
    host.execute("CREATE INDEX ON logs (thread_id)")
    host.execute("ALTER TABLE logs ALTER thread_id TYPE char(36)")
    advised, notes = looked_at(host)
    assert tables(advised) == []
    assert "The column “thread_id” of “logs” is of type character, which" in notes[0]


def test_many_users_are_found_by_name(host: HostWriter) -> None:
    fill(host, ENOUGH)
    host.execute("INSERT INTO users SELECT n, 'user ' || n FROM generate_series(1, %s) n", ENOUGH)
    assert "users" not in tables(advice(host))
    host.execute("ANALYZE")
    assert "users" in tables(advice(host))


def test_a_trigram_class_off_the_search_path_is_named_in_full(host: HostWriter) -> None:
    fill(host, ENOUGH)
    host.execute("CREATE SCHEMA extensions; CREATE EXTENSION pg_trgm SCHEMA extensions")
    advised = advice(host)
    assert not [one for one in advised if "CREATE EXTENSION" in one.statements[0]]
    assert "(run_name extensions.gin_trgm_ops);" in advised[-1].statements[0]
    follow(host, advised)
    assert advice(host) == ()


def test_the_command_prints_a_script_and_changes_nothing(host: HostWriter) -> None:
    fill(host, ENOUGH)
    before = relations(host)
    # The key of the dashboard's cookie is not asked for.
    done = run({"DATABASE_URL": address(host.url)})
    assert (done.returncode, done.stderr) == (0, "")
    assert relations(host) == before
    assert done.stdout == as_sql(*looked_at(host))
    assert "-- Every index makes inserts a little slower" in done.stdout


def test_the_command_needs_the_database_s_secret_only(host: HostWriter, tmp_path: Path) -> None:
    # Whoever looks after the database may read neither the service's keys nor their files.
    (tmp_path / "url").write_text(address(host.url))
    done = run(
        {
            "DATABASE_URL_FILE": str(tmp_path / "url"),
            "RUNMANAGER_COOKIE_KEY_FILE": "/no/such/file",
            "RUNMANAGER_JWT_SECRET_FILE": "/no/such/file",
            "RUNMANAGER_OIDC_ISSUER": "https://login.example.org",
        }
    )
    assert done.returncode == 0, done.stderr


def test_the_command_says_when_there_is_nothing_to_do(host: HostWriter) -> None:
    host.execute("CREATE INDEX ON logs (thread_id); ANALYZE")
    done = run({"DATABASE_URL": address(host.url)})
    assert (done.returncode, done.stderr) == (0, "")
    assert "-- “run_metadata” is small" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("-- Nothing to advise: ")
    assert {line[:3] for line in done.stdout.splitlines() if line} == {"-- "}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "DATABASE_URL is needed: it names the database that is to be looked at."),
        (
            {"DATABASE_URL": f"nonsense://kate:{SECRET}@db/host"},
            "DATABASE_URL is not the address of a PostgreSQL database",
        ),
        (
            {"DATABASE_URL": f"postgresql://kate:{SECRET}@localhost:1/host"},
            "The database cannot be reached.",
        ),
    ],
    ids=["missing", "malformed", "away"],
)
def test_what_is_wrong_is_said_in_one_sentence(settings: dict[str, str], sentence: str) -> None:
    done = run(settings)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"Run Manager: {sentence}")
    assert done.stderr.count("\n") == 1
    assert SECRET not in done.stderr


def test_a_table_that_is_missing_is_named(host: HostWriter) -> None:
    host.execute("DROP TABLE users")
    done = run({"DATABASE_URL": address(host.url)})
    assert (done.returncode, done.stdout) == (1, "")
    assert "“users”" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_role_that_may_only_read_can_ask(host: HostWriter) -> None:
    fill(host, ENOUGH)
    with connect(host.url) as connection:
        connection.execute(
            "DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN;"
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader"
        )
        try:
            done = run({"DATABASE_URL": address(host.url.set(username="reader"))})
            assert done.stdout == as_sql(*looked_at(host))
        finally:
            connection.execute("DROP OWNED BY reader; DROP ROLE reader")
