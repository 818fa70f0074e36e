"""Sample data for the demo and the tests: three months of a host's runs with every trace."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from psycopg import sql

from runmanager.demo import people
from runmanager.demo.langgraph_shapes import Rows, Story, add_story
from runmanager.demo.people import ADMIN_PASSWORD, ADMIN_USERNAME, USER_PASSWORD, USER_USERNAME
from runmanager.demo.runs import LARGE_BLOB, LONG_HISTORY, LONG_LOG, Run, make_runs
from runmanager.demo.tables import create_tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import psycopg

__all__ = [
    "ADMIN_PASSWORD", "ADMIN_USERNAME", "USER_PASSWORD", "USER_USERNAME", "create_tables", "fill",
]  # fmt: skip

LONG_LOG_LINES = 5_000
LONG_HISTORY_CHECKPOINTS = 300
LARGE_BLOB_BYTES = 2 * 1024 * 1024

_USER_COLUMNS = ("id", "username", "password_hash", "is_admin", "is_active")
_RUN_COLUMNS = (
    "thread_id", "run_name", "status", "created_at", "completed_at", "user_id", "workspace_id",
    "error_message", "parent_thread_id", "llm_model", "sop", "initial_data", "metadata",
)  # fmt: skip
_LOG_COLUMNS = ("thread_id", "created_at", "level", "message")
_NODES = ("extract", "validate", "enrich", "decide", "approve", "notify")
_MESSAGES = (
    ("DEBUG", "Loaded {n} records for {node}"),
    ("DEBUG", "Cache hit for {node} ({n} bytes)"),
    ("INFO", "Started {node}"),
    ("INFO", "Finished {node} in {n} ms"),
    ("INFO", "Model answered with {n} tokens"),
    ("WARNING", "{node} took longer than usual: {n} ms"),
    ("WARNING", "Retrying {node} after status 503"),
)
_HELD, _BILLED = 3, 40
_HOLD_REASON = "Legal hold: dispute with the customer is open"


def fill(
    connection: psycopg.Connection,
    *,
    runs: int = 3000,
    seed: int = 7,
    now: datetime | None = None,
) -> None:
    """Fill the empty tables of `create_tables`; the same `seed` and `now` give the same rows.

    The first three runs are exceptionally large, and the following ones odd in one way each.
    """
    rng = random.Random(seed)  # noqa: S311  # sample data, not secrets
    now = now or datetime.now(UTC)
    users, workspaces = people.make_users(rng), people.make_workspaces(rng)
    made = make_runs(
        runs, rng, now, [user.id for user in users], [workspace.id for workspace in workspaces]
    )
    _copy(connection, "users", _USER_COLUMNS, (_columns(user, _USER_COLUMNS) for user in users))
    _copy(
        connection, "workspaces", ("id", "name"), ((space.id, space.name) for space in workspaces)
    )
    _copy(connection, "run_metadata", _RUN_COLUMNS, (_columns(run, _RUN_COLUMNS) for run in made))
    _copy(connection, "logs", _LOG_COLUMNS, _log_rows(made, rng, now))
    _copy_checkpoints(connection, made, rng, now)
    _add_neighbours(connection, made, rng, now)
    connection.execute("ANALYZE")


def _copy(
    connection: psycopg.Connection,
    table: str,
    columns: Sequence[str],
    rows: Iterable[tuple[Any, ...]],
) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor().copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def _columns(record: object, columns: Sequence[str]) -> tuple[Any, ...]:
    values = (getattr(record, column) for column in columns)
    return tuple(
        json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value
        for value in values
    )


def _log_rows(made: Sequence[Run], rng: random.Random, now: datetime) -> Iterator[tuple[Any, ...]]:
    for run in made:
        lines = LONG_LOG_LINES if run.heavy == LONG_LOG else rng.randrange(3, 31)
        step = (_end(run, now) - run.started) / lines
        for line in range(lines):
            level, message = rng.choice(_MESSAGES)
            text = message.format(n=rng.randrange(1, 9000), node=rng.choice(_NODES))
            if run.error_message and line == lines - 1:
                level, text = "ERROR", run.error_message
            yield run.thread_id, run.started + step * line, level, text


def _copy_checkpoints(
    connection: psycopg.Connection, made: Sequence[Run], rng: random.Random, now: datetime
) -> None:
    rows = Rows()
    for run in made:
        add_story(rows, _story(run, rng, now), rng)
    _copy(connection, "checkpoints", Rows.CHECKPOINT_COLUMNS, rows.checkpoints)
    _copy(connection, "checkpoint_blobs", Rows.BLOB_COLUMNS, rows.blobs)
    _copy(connection, "checkpoint_writes", Rows.WRITE_COLUMNS, rows.writes)


def _story(run: Run, rng: random.Random, now: datetime) -> Story:
    checkpoints = LONG_HISTORY_CHECKPOINTS if run.heavy == LONG_HISTORY else rng.randrange(3, 13)
    return Story(
        thread_id=run.thread_id,
        started=run.started,
        pace=(_end(run, now) - run.started) / checkpoints,
        nodes=[_NODES[place % len(_NODES)] for place in range(checkpoints - 2)],
        order=(run.initial_data or {}).get("reference", "unknown"),
        error=run.error_message,
        interrupted=run.status == "interrupted",
        document=rng.randbytes(LARGE_BLOB_BYTES) if run.heavy == LARGE_BLOB else None,
    )


def _end(run: Run, now: datetime) -> datetime:
    return run.completed_at or min(now, run.started + timedelta(minutes=20))


def _add_neighbours(
    connection: psycopg.Connection, made: Sequence[Run], rng: random.Random, now: datetime
) -> None:
    """Rows of other tables: some that a deletion leaves behind, and three that forbid one."""
    ordinary = [run for run in made if run.status == "completed" and run.heavy is None]
    held = rng.sample(ordinary, min(_HELD, len(ordinary)))
    billed = rng.sample(ordinary, min(_BILLED, len(ordinary)))
    holds = [(run.thread_id, _HOLD_REASON) for run in held]
    bills = [(run.thread_id, rng.randrange(100, 90_000), _end(run, now)) for run in billed]
    _copy(connection, "audit_holds", ("run_id", "reason"), holds)
    _copy(connection, "billing_events", ("thread_id", "amount_cents", "created_at"), bills)
