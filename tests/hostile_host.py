"""A host that says something hostile wherever it can say anything."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from psycopg import sql

from tests.hosts import LONG_AGO
from tests.texts import FOREIGN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.hosts import HostWriter
    from tests.texts import HostileText

# A name in PostgreSQL has 63 bytes.
NAMES = (
    f"![](https://{FOREIGN}/name) zq90qz",
    "<img src=x onerror=alert(1)> zq91qz",
    ":streamlit: :red[x] zq92qz",
    f"https://{FOREIGN}/name%s zq93qz",
    "one\nline {0} zq94qz",
)
FAILS = "RAISE EXCEPTION '%', left(OLD.run_name, 200);"


def add_names(host: HostWriter) -> None:
    """Add columns to runs and log, a trace table and one left behind, of hostile names each."""
    for name in NAMES:
        for table in ("run_metadata", host.shape.logs or ""):
            _run(host, "ALTER TABLE {} ADD COLUMN {} text", table, name)
        _run(host, "CREATE TABLE {} (thread_id text)", f"left {name}"[:60])
        _run(
            host,
            "CREATE TABLE {} (thread_id text REFERENCES run_metadata ON DELETE CASCADE)",
            f"trace {name}"[:60],
        )


def drop_names(host: HostWriter) -> None:
    """Take away what ``add_names`` has added."""
    for name in NAMES:
        for table in ("run_metadata", host.shape.logs or ""):
            _run(host, "ALTER TABLE {} DROP COLUMN IF EXISTS {}", table, name)
        for kind in ("left", "trace"):
            _run(host, "DROP TABLE IF EXISTS {}", f"{kind} {name}"[:60])


def add_hostile_run(host: HostWriter, text: str, number: int, parent: str | None = None) -> str:
    """Add a run that says ``text`` in everything it has; its thread_id.

    The newest is the one with the largest ``number``; all are older than any other run.
    """
    thread_id = f"{text[:1500]} {number}"
    document = json.dumps({text: text, "nested": [{"deeper": text}, text]})
    # Beside values, a percent sign in a statement is written twice.
    columns = {name.replace("%", "%%"): text for name in NAMES}
    host.add_run(
        thread_id,
        name=text,
        status=text,
        created_at=LONG_AGO + timedelta(minutes=number),
        user=text[:1500],
        workspace=text[:1500],
        completed_at=datetime(2025, 6, 1, tzinfo=UTC),
        error_message=text,
        parent_thread_id=parent,
        llm_model=text[:1500],
        sop=text,
        initial_data=document,
        metadata=document,
        **columns,
    )
    state = json.dumps({"ts": text, "channel_values": {text: text}, text: [text]})
    metadata = json.dumps({"source": text, "step": text, "writes": {text: text}, text: text})
    key = text[:500]
    host.execute(
        "INSERT INTO checkpoints (thread_id, checkpoint_ns, checkpoint_id, type, checkpoint,"
        " metadata) VALUES (%s, %s, %s, %s, %s, %s)",
        *(thread_id, key, key, text, state, metadata),
    )
    host.execute(
        "INSERT INTO checkpoint_writes (thread_id, checkpoint_ns, checkpoint_id, task_id, idx,"
        " channel, type, blob, task_path) VALUES (%s, %s, %s, %s, 0, %s, %s, 'abc', %s)",
        *(thread_id, key, key, key, text, text, text),
    )
    host.execute(
        "INSERT INTO checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type, blob)"
        " VALUES (%s, %s, %s, %s, %s, 'abc')",
        *(thread_id, key, key[:200], key[:200], text),
    )
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    values = sql.SQL(", ").join(sql.Placeholder() * len(columns))
    host.connection.execute(
        sql.SQL(
            "INSERT INTO {} (thread_id, level, message, created_at, {}) VALUES (%s, %s, %s, now(),"
            " {})"
        ).format(sql.Identifier(host.shape.logs or ""), names, values),
        [thread_id, text, text, *columns.values()],
    )
    for name in NAMES:
        for kind in ("left", "trace"):
            table = sql.Identifier(f"{kind} {name}"[:60].replace("%", "%%"))
            host.connection.execute(
                sql.SQL("INSERT INTO {} VALUES (%s)").format(table), [thread_id]
            )
    return thread_id


def add_hostile_runs(host: HostWriter, texts: Sequence[HostileText]) -> list[str]:
    """Add a run for each text, each the parent of the next; their ids, the oldest first."""
    found: list[str] = []
    for number, one in enumerate(texts):
        found.append(add_hostile_run(host, one.text, number, found[-1] if found else None))
    return found


def _run(host: HostWriter, statement: str, *names: str) -> None:
    host.connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
