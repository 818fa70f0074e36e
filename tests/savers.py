"""Tables as savers other than LangGraph's present one make them, and rows in them."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.hosts import LANGGRAPH_TABLES

if TYPE_CHECKING:
    from tests.hosts import HostWriter

# Pickled by the host: what is never to be read.
PICKLED = b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00}\x94."
STEPS = 3


def step_id(step: int) -> str:
    """A checkpoint's id, a UUIDv6 of which later ones are greater."""
    return f"1f0a0000-0000-6000-8000-00000000000{step}"


def step_time(step: int) -> str:
    """When a step ended, as PostgreSQL prints a timestamptz."""
    return f"2024-05-04 06:32:4{step}.25+00"


@dataclass(frozen=True)
class Saver:
    """One saver's tables, and what is known from them of a run's checkpoints, the oldest first."""

    name: str
    shape: str
    ddl: str
    ids: tuple[str | None, ...]
    parents: tuple[str | None, ...]
    times: tuple[str | None, ...]
    nodes: tuple[tuple[str, ...], ...]
    is_json: bool = True
    versions: tuple[str | None, ...] = ()
    more: tuple[tuple[str, Any], ...] = ()

    @property
    def tables(self) -> tuple[str, ...]:
        """Which of LangGraph's tables there are."""
        return tuple(one for one in LANGGRAPH_TABLES if f"TABLE {one} " in self.ddl)

    def make(self, host: HostWriter) -> None:
        """Put this saver's tables in the place of the host's."""
        host.execute("DROP TABLE checkpoints, checkpoint_blobs, checkpoint_writes")
        host.execute(self.ddl)

    def add_runs(self, host: HostWriter, number: int = 2) -> list[str]:
        """Put this saver's tables in the place of the host's, and runs of three steps in them."""
        self.make(host)
        runs = [host.add_run() for _ in range(number)]
        for run in runs:
            self.fill(host, run)
        return runs

    def fill(self, host: HostWriter, thread_id: str) -> None:
        """Write what the saver keeps of a run of three steps."""
        if "TABLE thread " in self.ddl:
            _insert(host, "thread", {"thread_id": thread_id})
        for step in range(STEPS):
            state = {"id": step_id(step), "ts": step_time(step), "channel_values": {"n": step}}
            metadata = {"step": step, "source": "loop"}
            for table, values in (
                (
                    "checkpoints",
                    {
                        "checkpoint_id": step_id(step),
                        "parent_checkpoint_id": step_id(step - 1) if step else None,
                        "thread_ts": step_time(step),
                        "parent_ts": step_time(step - 1) if step else None,
                        "checkpoint": json.dumps(state) if self.is_json else PICKLED,
                        "metadata": json.dumps(metadata) if self.is_json else PICKLED,
                    },
                ),
                (
                    "checkpoint_writes",
                    {
                        "checkpoint_id": step_id(step),
                        "task_id": step_id(step).replace("1f0a", "aaaa"),
                        "idx": 0,
                        "channel": "n",
                        "type": "msgpack",
                        "blob": PICKLED[: step + 1],
                        "task_path": f"~__pregel_pull, node {step}",
                    },
                ),
                (
                    "checkpoint_blobs",
                    {
                        "channel": "n",
                        "version": step + 1,
                        "type": "msgpack",
                        "blob": PICKLED[: step + 1],
                    },
                ),
            ):
                self._keep(host, table, {"thread_id": thread_id} | dict(self.more) | values)

    def _keep(self, host: HostWriter, table: str, values: dict[str, Any]) -> None:
        if table not in self.tables:
            return
        there = {
            name
            for (name,) in host.execute(
                "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0",
                table,
            )
        }
        _insert(host, table, {name: value for name, value in values.items() if name in there})


def _insert(host: HostWriter, table: str, values: dict[str, Any]) -> None:
    names, marks = ", ".join(values), ", ".join(["%s"] * len(values))
    statement = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608
    host.execute(statement, *values.values())


_STEPS = tuple(range(STEPS))
_UUIDS = tuple(map(step_id, _STEPS))
_TIMES = tuple(map(step_time, _STEPS))

# langchain-postgres 0.0.3, whose saver came before langgraph-checkpoint-postgres.
FIRST = Saver(
    "the first saver",
    "text",
    """
    CREATE TABLE checkpoints (
        thread_id text NOT NULL, thread_ts timestamptz NOT NULL, parent_ts timestamptz,
        checkpoint bytea NOT NULL, PRIMARY KEY (thread_id, thread_ts));
    """,
    ids=_TIMES,
    parents=(None, *_TIMES[:-1]),
    times=_TIMES,
    nodes=((),) * STEPS,
    is_json=False,
)
# The same of its later versions, which kept metadata too.
FIRST_WITH_METADATA = replace(
    FIRST,
    name="the first saver, with metadata",
    ddl=FIRST.ddl.replace("bytea NOT NULL,", "bytea NOT NULL, metadata bytea NOT NULL,"),
)
# LangGraph Platform at its beginning: neither namespaces nor writes, and a number for a version.
FIRST_PLATFORM = Saver(
    "the first Platform",
    "uuid",
    """
    CREATE TABLE thread (thread_id uuid PRIMARY KEY);
    CREATE TABLE checkpoints (
        thread_id uuid NOT NULL REFERENCES thread ON DELETE CASCADE, checkpoint_id uuid NOT NULL,
        run_id uuid, parent_checkpoint_id uuid, checkpoint jsonb NOT NULL,
        metadata jsonb NOT NULL DEFAULT '{}', PRIMARY KEY (thread_id, checkpoint_id));
    CREATE TABLE checkpoint_blobs (
        thread_id uuid NOT NULL REFERENCES thread ON DELETE CASCADE, channel text NOT NULL,
        version integer NOT NULL, type text NOT NULL, blob bytea NOT NULL,
        PRIMARY KEY (thread_id, channel, version));
    """,
    ids=_UUIDS,
    parents=(None, *_UUIDS[:-1]),
    times=_TIMES,
    nodes=((),) * STEPS,
    versions=("3", "2", "1"),
)
# LangGraph Platform since, on a host that has added a column of its own.
PLATFORM = Saver(
    "Platform",
    "uuid",
    """
    CREATE TABLE thread (thread_id uuid PRIMARY KEY);
    CREATE TABLE checkpoints (
        thread_id uuid NOT NULL REFERENCES thread ON DELETE CASCADE, checkpoint_id uuid NOT NULL,
        run_id uuid, parent_checkpoint_id uuid, checkpoint jsonb NOT NULL,
        metadata jsonb NOT NULL DEFAULT '{}', checkpoint_ns text NOT NULL DEFAULT '',
        organization_id uuid NOT NULL, PRIMARY KEY (thread_id, checkpoint_ns, checkpoint_id));
    CREATE INDEX ON checkpoints (thread_id, checkpoint_id DESC);
    CREATE TABLE checkpoint_blobs (
        thread_id uuid NOT NULL REFERENCES thread ON DELETE CASCADE, channel text NOT NULL,
        version text NOT NULL, type text NOT NULL, blob bytea,
        checkpoint_ns text NOT NULL DEFAULT '', organization_id uuid NOT NULL,
        PRIMARY KEY (thread_id, checkpoint_ns, channel, version));
    CREATE TABLE checkpoint_writes (
        thread_id uuid NOT NULL REFERENCES thread ON DELETE CASCADE, checkpoint_id uuid NOT NULL,
        task_id uuid NOT NULL, idx integer NOT NULL, channel text NOT NULL, type text NOT NULL,
        blob bytea NOT NULL, checkpoint_ns text NOT NULL DEFAULT '',
        organization_id uuid NOT NULL,
        PRIMARY KEY (thread_id, checkpoint_ns, checkpoint_id, task_id, idx));
    """,
    ids=_UUIDS,
    parents=(None, *_UUIDS[:-1]),
    times=_TIMES,
    nodes=((),) * STEPS,
    versions=("3", "2", "1"),
    more=(("organization_id", "0198c0de-0000-7000-8000-000000000000"),),
)
# PostgresSaver with the columns that hosts put beside its own.
EXTENDED = Saver(
    "extended",
    "text",
    """
    CREATE TABLE checkpoints (
        thread_id text NOT NULL, checkpoint_ns text NOT NULL DEFAULT '',
        checkpoint_id text NOT NULL, parent_checkpoint_id text, type text,
        checkpoint jsonb NOT NULL, metadata jsonb NOT NULL DEFAULT '{}',
        organization_id uuid NOT NULL, created_at timestamptz DEFAULT now(), size json,
        PRIMARY KEY (thread_id, checkpoint_ns, checkpoint_id));
    CREATE TABLE checkpoint_blobs (
        thread_id text NOT NULL, checkpoint_ns text NOT NULL DEFAULT '', channel text NOT NULL,
        version text NOT NULL, type text NOT NULL, blob bytea, organization_id uuid NOT NULL,
        PRIMARY KEY (organization_id, thread_id, checkpoint_ns, channel, version));
    CREATE TABLE checkpoint_writes (
        thread_id text NOT NULL, checkpoint_ns text NOT NULL DEFAULT '',
        checkpoint_id text NOT NULL, task_id text NOT NULL, idx integer NOT NULL,
        channel text NOT NULL, type text, blob bytea NOT NULL, task_path text NOT NULL DEFAULT '',
        organization_id uuid NOT NULL,
        PRIMARY KEY (thread_id, checkpoint_ns, checkpoint_id, task_id, idx));
    """,
    ids=_UUIDS,
    parents=(None, *_UUIDS[:-1]),
    times=_TIMES,
    nodes=((), ("node 0",), ("node 1",)),
    versions=("3", "2", "1"),
    more=(("organization_id", "0198c0de-0000-7000-8000-000000000000"),),
)
# Tables of which only the names are LangGraph's.
BARE = Saver(
    "bare",
    "text",
    """
    CREATE TABLE checkpoints (thread_id text);
    CREATE TABLE checkpoint_blobs (thread_id text);
    CREATE TABLE checkpoint_writes (thread_id text);
    """,
    ids=(None,) * STEPS,
    parents=(None,) * STEPS,
    times=(None,) * STEPS,
    nodes=((),) * STEPS,
    is_json=False,
    versions=(None,) * STEPS,
)
SAVERS = (BARE, FIRST, FIRST_WITH_METADATA, FIRST_PLATFORM, PLATFORM, EXTENDED)

every_saver = pytest.mark.parametrize(
    ("shape", "saver"),
    [pytest.param(one.shape, one, id=one.name) for one in SAVERS],
    indirect=["shape"],
)
