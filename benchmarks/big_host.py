"""A host's database with a million runs or more, for the programs that measure.

Users and workspaces are skewed (the first has about a fifth of all runs, the last a handful), runs
come in ties of a few at the same second, one in a thousand has no time, and the newest 20,000 have
the checkpoints, writes, stored values and log lines of a finished run: 111 rows each, their own
included. Statuses are as skewed as a real host's: nearly all runs are completed, a thousand of the
newest are running, as many that are paused lie deep, one in a hundred is expired and old.
"""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg

from runmanager.demo.postgres import EmbeddedPostgres
from runmanager.demo.tables import create_tables
from tests.hosts import HASH

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import sqlalchemy as sa

ADMIN = "0a0a0a0a-0000-4000-8000-000000000000"
USERS = 400
WORKSPACES = 60
RUNS_WITH_TRACES = 20_000
RARE_WORD = "Zanzibar"
# Each is in a sixth of all names.
COMMON_WORDS = ("Order", "invoice", "contract review", "triage", "Data extraction")
# In many names, none of which is among the newest.
OLD_WORD = "processing 12"
SERVER = {
    "shared_buffers": "2GB",
    "maintenance_work_mem": "1GB",
    "max_wal_size": "8GB",
    "autovacuum": "off",
    "random_page_cost": "1.1",
}

_PEOPLE = """
    INSERT INTO users (id, username, password_hash, is_admin)
    VALUES (%(admin)s, 'ada', %(hash)s, true);
    INSERT INTO users (id, username)
    SELECT md5('user ' || n)::uuid, 'user ' || lpad(n::text, 3, '0')
    FROM generate_series(1, %(users)s) n;
    INSERT INTO workspaces (id, name)
    SELECT md5('workspace ' || n)::uuid, 'Workspace ' || lpad(n::text, 2, '0')
    FROM generate_series(1, %(workspaces)s) n;
"""
# What the errors of failed runs begin with; a traceback of eight lines follows.
ERRORS = (
    "TimeoutError: the provider did not answer within 30 s (request %)",
    "TimeoutError: no answer from https://api.example.com/v1/runs/% within 60 s",
    "RateLimitError: 429 Too Many Requests, retry after % ms",
    "ValueError: could not convert string to float: '%'",
    "KeyError: 'invoice_%'",
    "ConnectionResetError: [Errno 104] Connection reset by peer (10.0.0.7:%)",
    "ValidationError: 1 validation error for Order, field total, input %",
    "OperationalError: deadlock detected, process % waits for ShareLock",
    "GraphRecursionError: Recursion limit of 25 reached in step %",
    "PermissionError: user % may not read this workspace",
    "OutOfMemoryError: worker % was killed",
    "JSONDecodeError: Expecting value: line 1 column %",
)
# x^4 of an even chance: the first of 400 gets (1/400)^(1/4), 22 % of the runs; the last 0.06 %.
_RUNS = """
    INSERT INTO run_metadata (thread_id, run_name, status, created_at, completed_at, user_id,
                              workspace_id, error_message, llm_model)
    SELECT md5('run ' || n)::uuid::text,
           (ARRAY['Order processing', 'Invoice matching', 'Contract review', 'Support triage',
                  'Data extraction', 'Report writing'])[1 + floor(random() * 6)::int]
             || ' ' || n || CASE WHEN n %% 200000 = 777 THEN ' ' || %(rare_word)s ELSE '' END,
           status, created_at,
           CASE WHEN status NOT IN ('running', 'paused')
             THEN created_at + random() * interval '5 minutes' END,
           md5('user ' || (1 + floor((%(users)s - 20) * random() ^ 4)::int))::uuid,
           md5('workspace ' || (1 + floor(%(workspaces)s * random() ^ 4)::int))::uuid,
           CASE WHEN status IN ('failed', 'FAILED', 'Error ')
             THEN replace((%(errors)s::text[])[1 + floor(%(kinds)s * random() ^ 2)::int], '%%',
                          (n * 7919 %% 1000003)::text)
               || repeat(E'\n  File "/srv/app/graph.py", line 118, in step', 8) END,
           'model-' || floor(random() * 4)::int
    FROM (
      SELECT n,
             CASE WHEN n %% 1000 <> 500
               THEN timestamptz '2026-11-01' - (%(runs)s - n) / 3 * interval '9 seconds' END
               AS created_at,
             CASE WHEN n > %(runs)s - 2000 AND n %% 2 = 0 THEN 'running'
                  WHEN n %% (%(runs)s / 100) = 1 THEN NULL
                  WHEN n %% (%(runs)s / 100) = 2 THEN 'FAILED'
                  WHEN n %% (%(runs)s / 100) = 3 THEN 'Error '
                  WHEN n %% (%(runs)s / 100) = 4 THEN 'custom-state'
                  WHEN n %% (%(runs)s / 50) = 5 THEN 'running'
                  WHEN n < %(runs)s * 0.9 AND n %% (%(runs)s / 1075) = 6 THEN 'paused'
                  WHEN n < %(runs)s / 5 AND n %% 20 = 7 THEN 'expired'
                  WHEN n %% 200 = 11 THEN 'cancelled'
                  WHEN random() < 0.03 THEN 'failed'
                  ELSE 'completed' END AS status
      FROM generate_series(%(first)s::bigint, %(last)s::bigint) n
    ) drawn;
"""
_STATUS_INDEX = "CREATE INDEX run_metadata_status_idx ON run_metadata (status)"
# A user with 200 runs only, spread over all the years.
_SMALL_USER = """
    UPDATE run_metadata SET user_id = md5('user 399')::uuid
    WHERE thread_id IN (SELECT md5('run ' || n * (%(runs)s / 200))::uuid::text
                        FROM generate_series(1, 200) n);
"""
SMALL_USER = "user 399"
_TRACES = """
    CREATE TEMPORARY TABLE newest AS
    SELECT md5('run ' || n)::uuid::text AS thread_id
    FROM generate_series(%(runs)s - %(with_traces)s + 1, %(runs)s) n;
    INSERT INTO checkpoints (thread_id, checkpoint_id, checkpoint, metadata)
    SELECT thread_id, 'c' || c, jsonb_build_object('v', 4, 'ts', now(), 'id', c,
             'channel_values', jsonb_build_object('note', repeat('x', 200))),
           jsonb_build_object('step', c, 'source', 'loop')
    FROM newest, generate_series(1, 10) c;
    INSERT INTO checkpoint_writes
      (thread_id, checkpoint_id, task_id, idx, channel, type, blob)
    SELECT thread_id, 'c' || c, 't' || c, i, 'state', 'msgpack',
           convert_to(repeat('w', 100), 'UTF8')
    FROM newest, generate_series(1, 10) c, generate_series(1, 4) i;
    INSERT INTO checkpoint_blobs (thread_id, channel, version, type, blob)
    SELECT thread_id, 'state', c::text, 'msgpack', convert_to(repeat('b', 300), 'UTF8')
    FROM newest, generate_series(1, 20) c;
    INSERT INTO logs (thread_id, created_at, level, message)
    SELECT thread_id, now(), 'INFO', 'Step ' || c || ' finished in 120 ms'
    FROM newest, generate_series(1, 40) c;
"""
_CHUNK = 1_000_000
CLONE_SECONDS = 120


def open_host(directory: Path, runs: int) -> tuple[EmbeddedPostgres, sa.URL]:
    """The server in ``directory``, and its database of so many runs: made where it is missing."""
    server = EmbeddedPostgres(directory, settings=SERVER).start()
    name = _name(runs)
    with _connect(server.url()) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        if known.fetchone() is None:
            connection.execute("DROP DATABASE IF EXISTS unfinished")
            connection.execute("CREATE DATABASE unfinished")
            with _connect(server.url("unfinished")) as unfinished:
                _fill(unfinished, runs)
            connection.execute(f"ALTER DATABASE unfinished RENAME TO {name}")
    with _connect(server.url(name)) as connection:
        # In one that was made before there was a door, nobody could sign in.
        connection.execute(
            "UPDATE users SET password_hash = %s WHERE id = %s AND password_hash <> %s",
            [HASH, ADMIN, HASH],
        )
    return server, server.url(name)


@contextmanager
def cloned(server: EmbeddedPostgres, runs: int, name: str = "clone") -> Iterator[sa.URL]:
    """A copy of the database with so many runs, which is gone after the block.

    PostgreSQL copies only what nobody is connected to: it is waited for.
    """
    name, source = f"{name}_{runs}", _name(runs)
    with _connect(server.url()) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        deadline = time.monotonic() + CLONE_SECONDS
        while True:
            try:
                connection.execute(f"CREATE DATABASE {name} TEMPLATE {source} STRATEGY FILE_COPY")
            except psycopg.errors.ObjectInUse:
                if time.monotonic() > deadline:
                    raise
                time.sleep(1)
            else:
                break
    try:
        yield server.url(name)
    finally:
        with _connect(server.url()) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _name(runs: int) -> str:
    # The number tells it from one that was made with other runs in it.
    return f"host_{runs}_2"


def _connect(url: sa.URL) -> psycopg.Connection[Any]:
    address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(address, autocommit=True)


def _fill(connection: psycopg.Connection[Any], runs: int) -> None:
    started = time.monotonic()
    create_tables(connection)
    connection.execute(_STATUS_INDEX)
    # Built once at the end: a primary key in random order is slow to grow.
    connection.execute("ALTER TABLE audit_holds DROP CONSTRAINT audit_holds_run_id_fkey")
    connection.execute("ALTER TABLE run_metadata DROP CONSTRAINT run_metadata_pkey")
    indexes = connection.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'run_metadata'"
    ).fetchall()
    for name, _definition in indexes:
        connection.execute(f"DROP INDEX {name}")
    connection.execute("SET synchronous_commit = off")
    connection.execute("SELECT setseed(0.5)")
    numbers = {
        "runs": runs,
        "with_traces": min(runs, RUNS_WITH_TRACES),
        "users": USERS,
        "workspaces": WORKSPACES,
        "admin": ADMIN,
        "hash": HASH,
        "rare_word": RARE_WORD,
        "errors": list(ERRORS),
        "kinds": len(ERRORS),
    }
    # Parameters that are put in by the client: several statements at once take no others.
    with psycopg.ClientCursor(connection) as cursor:
        cursor.execute(_PEOPLE, numbers)
        for first in range(1, runs + 1, _CHUNK):
            last = min(runs, first + _CHUNK - 1)
            cursor.execute(_RUNS, numbers | {"first": first, "last": last})
    connection.execute("ALTER TABLE run_metadata ADD PRIMARY KEY (thread_id)")
    with psycopg.ClientCursor(connection) as cursor:
        cursor.execute(_SMALL_USER, numbers)
        for _name, definition in indexes:
            cursor.execute(definition)
        cursor.execute(
            "ALTER TABLE audit_holds ADD FOREIGN KEY (run_id) REFERENCES run_metadata (thread_id)"
        )
        cursor.execute(_TRACES, numbers)
    # Twice: the first takes away what the small user's runs were before, and only the second finds
    # their pages to be visible to everybody, without which an index alone does not answer.
    for _time in range(2):
        connection.execute("VACUUM (ANALYZE)")
    sys.stderr.write(f"{runs:,} runs made in {time.monotonic() - started:.0f} s\n")
