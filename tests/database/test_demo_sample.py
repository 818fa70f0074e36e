"""The sample data: every kind of run is there, and LangGraph itself can read it."""

# ruff: noqa: RUF001, S608  # names in many scripts; the tests' own tables in their own SQL

from __future__ import annotations

import contextlib
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bcrypt
import psycopg
import pytest
from langgraph.checkpoint.postgres import PostgresSaver
from psycopg.rows import dict_row
from sqlalchemy import create_engine, text

from runmanager.demo import EmbeddedPostgres, create_tables, fill, open_demo
from runmanager.demo.people import ADMIN_PASSWORD, USER_PASSWORD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL

# One worker opens what all of these share.
pytestmark = pytest.mark.xdist_group("sample")

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TABLES = (
    "users", "workspaces", "run_metadata", "logs", "checkpoints", "checkpoint_blobs",
    "checkpoint_writes", "checkpoint_migrations", "billing_events", "audit_holds",
)  # fmt: skip


def address(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    directory = tmp_path_factory.mktemp("sample")
    with EmbeddedPostgres(directory, settings={"fsync": "off"}) as server:
        yield server


def new_database(server: EmbeddedPostgres, name: str) -> psycopg.Connection[Any]:
    with contextlib.closing(psycopg.connect(address(server.url()), autocommit=True)) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return psycopg.connect(address(server.url(name)), autocommit=True)


@pytest.fixture(scope="module")
def sample(server: EmbeddedPostgres) -> Iterator[psycopg.Connection[Any]]:
    with contextlib.closing(new_database(server, "sample")) as connection:
        with connection.transaction():
            create_tables(connection)
            fill(connection, now=NOW)
        yield connection


def one(connection: psycopg.Connection[Any], question: str) -> Any:
    row = connection.execute(question.encode()).fetchone()
    assert row
    return row[0]


def test_has_three_thousand_runs_over_ninety_days(sample: psycopg.Connection[Any]) -> None:
    assert one(sample, "SELECT count(*) FROM run_metadata") == 3000
    assert one(sample, "SELECT count(*) FROM workspaces") == 8
    oldest, newest = sample.execute(
        "SELECT min(created_at), max(created_at) FROM run_metadata"
    ).fetchone() or (NOW, NOW)
    assert timedelta(days=89) < NOW - oldest <= timedelta(days=90)
    assert NOW - newest < timedelta(hours=1)
    assert one(sample, "SELECT max(completed_at) FROM run_metadata") <= NOW
    assert one(sample, "SELECT max(created_at) FROM logs") <= NOW


def test_has_users_who_may_and_may_not_enter(sample: psycopg.Connection[Any]) -> None:
    with sample.cursor(row_factory=dict_row) as cursor:
        users = {row["username"]: row for row in cursor.execute("SELECT * FROM users")}
    assert len(users) == 12
    assert {name for name, user in users.items() if user["is_admin"]} == {"ada", "grace"}
    inactive = [user for user in users.values() if not user["is_active"]]
    assert [user["is_admin"] for user in inactive] == [False]
    for name, password in (("ada", ADMIN_PASSWORD), ("kate", USER_PASSWORD)):
        assert bcrypt.checkpw(password.encode(), users[name]["password_hash"].encode())


@pytest.mark.parametrize(
    "condition",
    [
        *(f"status = '{word}'" for word in (
            "completed", "failed", "FAILED", "running", "paused", "interrupted", "error",
            "queued", "weird",
        )),
        *(f"{column} IS NULL" for column in (
            "status", "run_name", "user_id", "workspace_id", "created_at", "metadata",
        )),
        "user_id IS NOT NULL AND user_id NOT IN (SELECT id FROM users)",
        "parent_thread_id IN (SELECT thread_id FROM run_metadata)",
        "length(run_name) > 200",
        "run_name ~ '[ぁ-んァ-ン一-龠]'",
        "run_name ~ '[ء-ي]'",
        "run_name ~ '[а-я]'",
        "run_name LIKE '🚚%'",
        "run_name = '<script>alert(1)</script>'",
        "run_name = '![x](http://example.com/x.png)'",
        "run_name = '=1+1'",
        "run_name ~ '^Order processing – invoice [0-9]{4}$'",
        "lower(status) IN ('failed', 'error') AND error_message IS NOT NULL",
    ],
)  # fmt: skip
def test_every_kind_of_run_is_there(sample: psycopg.Connection[Any], condition: str) -> None:
    assert one(sample, f"SELECT count(*) FROM run_metadata WHERE {condition}") > 0


def test_only_recent_runs_are_still_running(sample: psycopg.Connection[Any]) -> None:
    question = "SELECT min(created_at) FROM run_metadata WHERE status IN ('running', 'queued')"
    assert NOW - one(sample, question) < timedelta(hours=9)


def test_every_run_has_traces_and_three_are_large(sample: psycopg.Connection[Any]) -> None:
    for table, least, usual, most in (("logs", 3, 30, 5000), ("checkpoints", 3, 12, 300)):
        counts = f"SELECT thread_id, count(*) AS n FROM {table} GROUP BY thread_id"
        assert one(sample, f"SELECT count(*) FROM ({counts}) c") == 3000
        assert one(sample, f"SELECT min(n) FROM ({counts}) c") == least
        assert one(sample, f"SELECT max(n) FROM ({counts}) c") == most
        assert one(sample, f"SELECT count(*) FROM ({counts}) c WHERE n > {usual}") == 1
    large = "SELECT count(*) FROM checkpoint_blobs WHERE length(blob) >= 2 * 1024 * 1024"
    assert one(sample, large) == 1


def test_other_tables_hold_on_to_some_runs(sample: psycopg.Connection[Any]) -> None:
    assert one(sample, "SELECT count(*) FROM billing_events") > 0
    assert one(sample, "SELECT count(DISTINCT run_id) FROM audit_holds") == 3
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        sample.execute(
            "DELETE FROM run_metadata WHERE thread_id IN (SELECT run_id FROM audit_holds)"
        )


def test_is_the_same_for_the_same_seed_and_time(server: EmbeddedPostgres) -> None:
    def contents(name: str, seed: int) -> list[list[tuple[Any, ...]]]:
        with contextlib.closing(new_database(server, name)) as connection:
            create_tables(connection)
            fill(connection, runs=80, seed=seed, now=NOW)
            return [connection.execute(f"TABLE {table}".encode()).fetchall() for table in TABLES]

    first = contents("first", 7)
    assert contents("again", 7) == first
    assert contents("other", 8) != first


def test_even_a_handful_of_runs_can_be_made(server: EmbeddedPostgres) -> None:
    with contextlib.closing(new_database(server, "handful")) as connection:
        create_tables(connection)
        fill(connection, runs=1)
        assert one(connection, "SELECT count(*) FROM run_metadata") == 1


def test_tables_are_those_that_langgraph_makes(server: EmbeddedPostgres) -> None:
    shape = """
        SELECT table_name, column_name, data_type, is_nullable, column_default
        FROM information_schema.columns WHERE table_name LIKE 'checkpoint%' ORDER BY 1, 2
    """
    indexes = """
        SELECT indexname, indexdef FROM pg_indexes
        WHERE tablename LIKE 'checkpoint%' ORDER BY 1
    """
    migrations = "SELECT v FROM checkpoint_migrations ORDER BY v"
    with (
        contextlib.closing(new_database(server, "ours")) as ours,
        contextlib.closing(new_database(server, "theirs")) as theirs,
    ):
        create_tables(ours)
        with PostgresSaver.from_conn_string(address(server.url("theirs"))) as saver:
            saver.setup()
        for question in (shape, indexes, migrations):
            found = ours.execute(question.encode()).fetchall()
            assert found == theirs.execute(question.encode()).fetchall() != []


def test_langgraph_reads_every_checkpoint(
    server: EmbeddedPostgres, sample: psycopg.Connection[Any]
) -> None:
    question = "SELECT thread_id FROM run_metadata ORDER BY thread_id LIMIT 30"
    held = [row[0] for row in sample.execute(question)]
    interrupted = one(sample, "SELECT thread_id FROM run_metadata WHERE status = 'interrupted'")
    with PostgresSaver.from_conn_string(address(server.url("sample"))) as saver:
        for thread_id in (*held, interrupted):
            history = list(saver.list({"configurable": {"thread_id": thread_id}}))
            steps = [tuple_.metadata["step"] for tuple_ in history]
            assert steps == list(range(len(steps) - 2, -2, -1))  # newest first, down to the input
            assert history[-1].metadata["source"] == "input"
            notes = history[0].checkpoint["channel_values"]["notes"]
            assert len(notes) == min(20, len(steps) - 2)
        newest = saver.get_tuple({"configurable": {"thread_id": interrupted}})
    assert newest
    assert newest.pending_writes
    assert newest.pending_writes[0][1] == "__interrupt__"


def test_a_demo_is_filled_once_even_when_opened_twice_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor() as pool:
        demos = list(pool.map(lambda _: open_demo(tmp_path, runs=60), range(2)))
    try:
        assert demos[0].cookie_key == demos[1].cookie_key
        # A newer PostgreSQL makes a new cluster, whose store is not this one's.
        assert demos[0].state_dir == demos[1].state_dir == demos[0].server.base / "state"
        assert len(bytes.fromhex(demos[0].cookie_key)) >= 32
        assert stat.S_IMODE((tmp_path / "cookie.key").stat().st_mode) == 0o600
        assert "demo-admin" not in repr(demos[0])
        engine = create_engine(demos[0].url)
        with engine.connect() as connection:
            runs = connection.execute(text("SELECT count(*) FROM run_metadata"))
            assert runs.scalar_one() == 60
        engine.dispose()
    finally:
        for demo in demos:
            demo.close()
    reopened = open_demo(tmp_path, runs=5)
    with contextlib.closing(reopened), psycopg.connect(address(reopened.url)) as again:
        assert one(again, "SELECT count(*) FROM run_metadata") == 60
        assert reopened.cookie_key == demos[0].cookie_key


def test_a_demo_that_was_killed_while_it_filled_is_filled_anew(tmp_path: Path) -> None:
    program = "import pathlib, sys, runmanager.demo as d; d.open_demo(pathlib.Path(sys.argv[1]))"
    command = [sys.executable, "-c", program, str(tmp_path)]
    with EmbeddedPostgres(tmp_path, settings={"fsync": "off"}) as server:
        with subprocess.Popen(command, cwd=ROOT) as filling:  # noqa: S603  # ours
            with contextlib.closing(
                psycopg.connect(address(server.url()), autocommit=True)
            ) as connection:
                unfinished = (
                    "SELECT count(*) FROM pg_database WHERE datname LIKE 'runmanager_demo%'"
                )
                while not one(connection, unfinished):
                    assert filling.poll() is None
            filling.kill()
        with contextlib.closing(open_demo(tmp_path, runs=30)) as demo:
            with psycopg.connect(address(demo.url)) as connection:
                assert one(connection, "SELECT count(*) FROM run_metadata") == 30
            with psycopg.connect(address(server.url())) as connection:
                assert one(connection, unfinished) == 1


def test_a_cookie_key_that_others_could_read_is_replaced(tmp_path: Path) -> None:
    planted = tmp_path / "cookie.key"
    planted.write_text("known to everybody")
    planted.chmod(0o644)
    with contextlib.closing(open_demo(tmp_path, runs=1)) as demo:
        assert demo.cookie_key == planted.read_text() != "known to everybody"
        assert stat.S_IMODE(planted.stat().st_mode) == 0o600
