"""Databases of imagined hosts: their schemas, and a writer that fills them in plain SQL."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from runmanager.records import Actor

if TYPE_CHECKING:
    import sqlalchemy as sa

LONG_AGO = datetime(2025, 1, 1, 12, 0, tzinfo=UTC)
# Every user's password, and its bcrypt hash, made as cheaply as bcrypt can.
PASSWORD = "correct horse"
HASH = "$2b$04$1uaRF76K4NvLgJiyPjjZo.uP5BxCzaf35xASQbmujxPxFmE4PTqv2"
LANGGRAPH_TABLES = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")


@dataclass(frozen=True)
class Shape:
    """One way in which hosts lay out their schema."""

    name: str
    thread_id: str = "text"
    user_id: str = "text"
    workspace_id: str = "text"
    logs: str | None = "logs"
    schema: str = "public"
    is_minimal: bool = False

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables whose rows belong to a run, its own included."""
        traces = () if self.is_minimal else LANGGRAPH_TABLES
        return ("run_metadata", *traces, *filter(None, [self.logs]))

    def ddl(self) -> str:
        """The statements that make this host's tables."""
        if self.is_minimal:
            return f"CREATE SCHEMA IF NOT EXISTS {self.schema};" + _MINIMAL
        return (f"CREATE SCHEMA IF NOT EXISTS {self.schema};" + _FULL + _LANGGRAPH).format(
            thread_id=self.thread_id,
            user_id=self.user_id,
            workspace_id=self.workspace_id,
            logs=self.logs,
        )


SHAPES = (
    Shape("text"),
    Shape("uuid", thread_id="uuid", user_id="uuid", workspace_id="uuid", logs="thread_logs"),
    Shape("integer", user_id="bigint", workspace_id="bigint"),
    Shape("minimal", logs=None, is_minimal=True),
    Shape("schema", schema="app"),
)

_MINIMAL = """
    CREATE TABLE users (id text PRIMARY KEY, username text, password_hash text, is_admin boolean);
    CREATE TABLE run_metadata (
        thread_id text PRIMARY KEY, run_name text, status text, created_at timestamptz,
        user_id text, workspace_id text);
"""
_FULL = """
    CREATE TABLE users (
        id {user_id} PRIMARY KEY, username text, password_hash text,
        is_admin boolean DEFAULT false, is_active boolean DEFAULT true);
    CREATE TABLE workspaces (id {workspace_id} PRIMARY KEY, name text);
    CREATE TABLE run_metadata (
        thread_id {thread_id} PRIMARY KEY, run_name text, status text, created_at timestamptz,
        user_id {user_id}, workspace_id {workspace_id}, completed_at timestamptz,
        error_message text, parent_thread_id {thread_id}, llm_model text, sop text,
        initial_data jsonb, metadata jsonb);
    CREATE TABLE {logs} (
        id bigserial PRIMARY KEY, thread_id {thread_id}, level text, message text,
        created_at timestamptz);
"""
_LANGGRAPH = """
    CREATE TABLE checkpoint_migrations (v integer PRIMARY KEY);
    CREATE TABLE checkpoints (
        thread_id text NOT NULL, checkpoint_ns text NOT NULL DEFAULT '',
        checkpoint_id text NOT NULL, parent_checkpoint_id text, type text,
        checkpoint jsonb NOT NULL, metadata jsonb NOT NULL DEFAULT '{{}}',
        PRIMARY KEY (thread_id, checkpoint_ns, checkpoint_id));
    CREATE TABLE checkpoint_blobs (
        thread_id text NOT NULL, checkpoint_ns text NOT NULL DEFAULT '', channel text NOT NULL,
        version text NOT NULL, type text NOT NULL, blob bytea,
        PRIMARY KEY (thread_id, checkpoint_ns, channel, version));
    CREATE TABLE checkpoint_writes (
        thread_id text NOT NULL, checkpoint_ns text NOT NULL DEFAULT '',
        checkpoint_id text NOT NULL, task_id text NOT NULL, idx integer NOT NULL,
        channel text NOT NULL, type text, blob bytea NOT NULL, task_path text NOT NULL DEFAULT '',
        PRIMARY KEY (thread_id, checkpoint_ns, checkpoint_id, task_id, idx));
"""


def connect(url: sa.URL) -> psycopg.Connection[tuple[Any, ...]]:
    """A plain connection, on which every statement stands for itself."""
    address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(address, autocommit=True)


@dataclass
class HostWriter:
    """The host at work on its database: what a test writes and reads without Run Manager."""

    shape: Shape
    url: sa.URL
    connection: psycopg.Connection[tuple[Any, ...]]
    admin: Actor = field(init=False)
    _numbers: count[int] = field(default_factory=lambda: count(1))
    _users: dict[str, str] = field(default_factory=dict)
    _workspaces: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.admin = Actor(self.add_user("ada", is_admin=True), "ada")

    def execute(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one statement (or several without values) and return its rows, if it has any."""
        cursor = self.connection.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []

    def new_id(self, kind: str = "text") -> str:
        """An id that no other row has, of the type ``kind``."""
        number = next(self._numbers)
        if kind == "uuid":
            return str(uuid.uuid5(uuid.NAMESPACE_OID, str(number)))
        return str(number) if kind == "bigint" else f"id-{number:04}"

    def new_ids(self, number: int) -> list[str]:
        """Ids for ``number`` runs, sorted as the database sorts them."""
        return sorted(self.new_id(self.shape.thread_id) for _ in range(number))

    def add_user(self, name: str | None, *, is_admin: bool | None = False) -> str:
        """Add a user, active where the host knows that; its id."""
        user_id = self.new_id(self.shape.user_id)
        self.execute(
            "INSERT INTO users (id, username, password_hash, is_admin) VALUES (%s, %s, %s, %s)",
            user_id,
            name,
            HASH,
            is_admin,
        )
        if name is not None:
            self._users.setdefault(name, user_id)
        return user_id

    def user(self, name: str) -> str:
        """The id of the user of that name, added when there is none."""
        return self._users.get(name) or self.add_user(name)

    def workspace(self, name: str) -> str:
        """The id of the workspace of that name, added when there is none."""
        if name not in self._workspaces:
            workspace_id = self.new_id(self.shape.workspace_id)
            if not self.shape.is_minimal:
                self.execute("INSERT INTO workspaces VALUES (%s, %s)", workspace_id, name)
            self._workspaces[name] = workspace_id
        return self._workspaces[name]

    def add_run(
        self,
        thread_id: str | None = None,
        *,
        name: str | None = "Order processing",
        status: str | None = "completed",
        created_at: datetime | str | None = LONG_AGO,
        user: str | None = None,
        workspace: str | None = None,
        **columns: object,
    ) -> str:
        """Add a run's row; ``user`` and ``workspace`` are names. Its thread_id."""
        thread_id = thread_id if thread_id is not None else self.new_id(self.shape.thread_id)
        values = {
            "thread_id": thread_id,
            "run_name": name,
            "status": status,
            "created_at": created_at,
            "user_id": user and self.user(user),
            "workspace_id": workspace and self.workspace(workspace),
            **columns,
        }
        statement = sql.SQL("INSERT INTO run_metadata ({}) VALUES ({})").format(
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(sql.Placeholder() * len(values)),
        )
        self.connection.execute(statement, list(values.values()))
        return thread_id

    def add_runs(self, number: int, **columns: Any) -> list[str]:
        """Add ``number`` runs with a few traces each; their ids as the database sorts them."""
        thread_ids = self.new_ids(number)
        for thread_id in thread_ids:
            self.add_run(thread_id, **columns)
            self.add_traces(thread_id, checkpoints=1, writes=1, blobs=1, logs=1)
        return thread_ids

    def add_traces(
        self,
        thread_id: str,
        *,
        checkpoints: int = 2,
        writes: int = 3,
        blobs: int = 2,
        logs: int = 3,
    ) -> None:
        """Add so many rows to each trace table that the host has (writes: for each checkpoint)."""
        if self.shape.is_minimal:
            return
        self.execute(
            "INSERT INTO checkpoints (thread_id, checkpoint_id, checkpoint, metadata)"
            " SELECT %s, 'c' || n, '{\"ts\": \"2025-01-01\"}', jsonb_build_object('step', n)"
            " FROM generate_series(1, %s) n",
            thread_id,
            checkpoints,
        )
        self.execute(
            "INSERT INTO checkpoint_writes"
            " (thread_id, checkpoint_id, task_id, idx, channel, blob)"
            " SELECT %s, 'c' || n, 't', w, 'state', 'abc'"
            " FROM generate_series(1, %s) n, generate_series(1, %s) w",
            thread_id,
            checkpoints,
            writes,
        )
        self.execute(
            "INSERT INTO checkpoint_blobs (thread_id, channel, version, type, blob)"
            " SELECT %s, 'state', n::text, 'msgpack', 'abcdef' FROM generate_series(1, %s) n",
            thread_id,
            blobs,
        )
        self.execute(
            f"INSERT INTO {self.shape.logs} (thread_id, level, message, created_at)"  # noqa: S608
            " SELECT %s, 'INFO', 'line ' || n, '2025-01-01 12:00+00' FROM generate_series(1, %s) n",
            thread_id,
            logs,
        )

    def add_trigger(self, table: str, body: str, *, when: str = "BEFORE") -> None:
        """Let the database do ``body``, in PL/pgSQL, for each row deleted from ``table``."""
        self.execute(
            f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;"
            f"CREATE TRIGGER refuse {when} DELETE ON {table} FOR EACH ROW"
            " EXECUTE FUNCTION refuse();"
        )

    def count(self, table: str, thread_id: str) -> int:
        """How many rows of ``table`` belong to the run."""
        statement = f"SELECT count(*) FROM {table} WHERE thread_id::text = %s"  # noqa: S608
        return int(self.execute(statement, thread_id)[0][0])

    def counts(self, thread_id: str) -> dict[str, int]:
        """How many rows belong to the run, by table."""
        return {table: self.count(table, thread_id) for table in self.shape.tables}

    def is_gone(self, thread_id: str) -> bool:
        """Whether no row of any table belongs to the run."""
        return not any(self.counts(thread_id).values())

    def contents(self, *, without: list[str] | None = None) -> dict[str, list[str]]:
        """Every row of every table as text, but for those of the runs ``without``."""
        tables = self.execute(
            "SELECT relname, EXISTS (SELECT FROM pg_attribute"
            "  WHERE attrelid = c.oid AND attname = 'thread_id')"
            " FROM pg_class c WHERE relkind IN ('r', 'p') AND NOT relispartition"
            " AND pg_table_is_visible(oid) AND relnamespace = to_regnamespace(%s)",
            self.shape.schema,
        )
        found = {}
        for table, has_thread_id in tables:
            where = " WHERE NOT coalesce(thread_id::text = ANY(%s), false)" if has_thread_id else ""
            values = [without or []] if has_thread_id else []
            statement = f"SELECT t::text FROM {table} t{where} ORDER BY 1"  # noqa: S608
            found[table] = [row for (row,) in self.execute(statement, *values)]
        return found


def fill(host: HostWriter, number: int) -> None:
    """Add so many runs at once, 2,000 to each user, and gather the planner's statistics."""
    thread_id, user_id, workspace_id = (
        f"md5(({of})::text)::uuid" if kind == "uuid" else f"({of})::{kind}"
        for of, kind in (
            ("n", host.shape.thread_id),
            ("n / 2000", host.shape.user_id),
            ("n % 7", host.shape.workspace_id),
        )
    )
    host.execute(
        "INSERT INTO run_metadata (thread_id, run_name, created_at, user_id, workspace_id)"  # noqa: S608
        f" SELECT {thread_id}, 'Order ' || n, now() - n * interval '1 minute',"
        f" {user_id}, {workspace_id} FROM generate_series(1, {number}) n"
    )
    host.execute("ANALYZE")
