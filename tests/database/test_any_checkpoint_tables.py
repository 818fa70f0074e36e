"""Tables with the names of LangGraph's, each column of any type or gone: shown, never an error."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from runmanager.paging import PageRequest
from tests.examples import some_of

if TYPE_CHECKING:
    from runmanager.records import Actor, CheckpointSummary
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter

COLUMNS = {
    "checkpoints": (
        "checkpoint_ns", "checkpoint_id", "parent_checkpoint_id", "thread_ts", "parent_ts",
        "checkpoint", "metadata", "type",
    ),
    "checkpoint_blobs": ("checkpoint_ns", "channel", "version", "type", "blob"),
    "checkpoint_writes": (
        "checkpoint_ns", "checkpoint_id", "task_id", "idx", "channel", "type", "blob", "task_path",
    ),
}  # fmt: skip
DOCUMENTS = (
    '{"id": "a", "ts": "2024-05-04T06:32:42+00:00", "step": 1, "source": "loop"}',
    '{"id": "b", "ts": "2024", "step": null, "nested": {"id": "a"}}',
    '{"id": "\\ud83e\\udd9c"}',
    '{"id": 1}', "{}", "[]", '["id"]', "3", '"a"', "null",
)  # fmt: skip
# Only ``json`` keeps these, and PostgreSQL cannot take them apart.
BROKEN = (
    '{"id": "a", "ts": "\\u0000"}',
    '{"id": "a", "x": "\\ud83e"}',
    '{"id": "a", "x": "\\udd9c\\ud83e"}',
    '{"id": "a", "x": "\\ud83e\\ud83e\\udd9c"}',
)
TEXTS = ("", "a", "b", "1", '["a"]', "~__pregel_pull, work", "\u00fc\U0001f99c")
VALUES = {
    "uuid": ("1f0a0000-0000-6000-8000-000000000001", "1f0a0000-0000-6000-8000-00000000000a"),
    "text": TEXTS,
    "character varying": TEXTS,
    "integer": ("0", "1", "-1", "2147483647"),
    "bytea": ("\\x", "\\x61", "\\x8004957d942e"),
    "json": DOCUMENTS + BROKEN,
    "jsonb": DOCUMENTS,
    "timestamp with time zone": (
        "2024-05-04 06:32:42.25+00", "2024-05-04 06:32:41+02", "infinity",
        "4713-01-01 00:00:00+00 BC", "294276-12-31 23:59:59+00",
    ),
}  # fmt: skip
MEASURED = {"bytea", "text", "character varying"}


@dataclass(frozen=True)
class Table:
    """One table: the types of its columns, its primary key (perhaps none), and its rows."""

    name: str
    types: dict[str, str]
    key: tuple[str, ...]
    rows: list[dict[str, str | None]]

    def make(self, host: HostWriter) -> None:
        columns = "".join(f", {name} {kind}" for name, kind in self.types.items())
        key = f", PRIMARY KEY (thread_id, {', '.join(self.key)})" if self.key else ""
        host.execute(f"DROP TABLE {self.name}")
        host.execute(f"CREATE TABLE {self.name} (thread_id text{columns}{key})")
        names = ", ".join(("thread_id", *self.types))
        values = "".join(f", %s::{kind}" for kind in self.types.values())
        statement = f"INSERT INTO {self.name} ({names}) VALUES ('r'{values}) ON CONFLICT DO NOTHING"  # noqa: S608
        for row in self.rows:
            host.execute(statement, *(row[name] for name in self.types)) if self.types else (
                host.execute(f"INSERT INTO {self.name} VALUES ('r')")  # noqa: S608
            )

    def text(self, *names: str) -> str:
        """SQL for the first of these columns that there is, as text."""
        return next((f"{name}::text" for name in names if name in self.types), "NULL::text")

    @property
    def namespace(self) -> str:
        return f"coalesce({self.text('checkpoint_ns')}, '')"

    @property
    def size(self) -> str:
        """SQL for the size of the stored value."""
        kind = self.types.get("blob")
        if kind is None:
            return "NULL::integer"
        measured = {"json": "octet_length(blob::text)"} | dict.fromkeys(
            MEASURED, "octet_length(blob)"
        )
        return f"coalesce({measured.get(kind, 'pg_column_size(blob)')}, 0)"


@st.composite
def tables(draw: st.DrawFn, name: str) -> Table:
    drawn = {column: draw(st.sampled_from([None, *sorted(VALUES)])) for column in COLUMNS[name]}
    types = {column: kind for column, kind in drawn.items() if kind is not None}
    can_be_key = [column for column, kind in types.items() if kind != "json"]
    key = tuple(draw(st.lists(st.sampled_from(can_be_key), unique=True))) if can_be_key else ()

    def value(column: str) -> st.SearchStrategy[str | None]:
        values: st.SearchStrategy[str | None] = st.sampled_from(VALUES[types[column]])
        return values if column in key else st.one_of(st.none(), values)

    row = st.fixed_dictionaries({column: value(column) for column in types})
    return Table(name, types, key, draw(st.lists(row, max_size=6)))


@settings(max_examples=some_of(60))
@given(*(tables(name) for name in COLUMNS))
def test_whatever_columns_there_are_checkpoints_and_values_are_shown_as_they_are(
    host: HostWriter,
    open_manager: OpenManager,
    admin: Actor,
    checkpoints: Table,
    blobs: Table,
    writes: Table,
) -> None:
    for table in (checkpoints, blobs, writes):
        table.make(host)
    manager = open_manager()
    try:
        found = listed(manager, admin)
        compare_checkpoints(host, checkpoints, found)
        compare_writes(host, checkpoints, writes, found)
        compare_documents(host, checkpoints, manager, admin, found)
        compare_blobs(host, blobs, manager, admin)
    finally:
        manager.close()


def listed(manager: RunManager, admin: Actor) -> list[CheckpointSummary]:
    """The checkpoints of all pages, of which there are several."""
    page = manager.reviewing.checkpoints(admin, "r", PageRequest(1, 200))
    pages = [
        manager.reviewing.checkpoints(admin, "r", PageRequest(number, 2)).items
        for number in range(1, -(-page.total // 2) + 1)
    ]
    assert [one for one_page in pages for one in one_page] == list(page.items)
    assert len(page.items) == page.total
    return list(page.items)


def document_id(table: Table, document: str | None) -> str | None:
    """The id in a checkpoint's JSON, where there is one."""
    is_json = table.types.get("checkpoint") in {"json", "jsonb"}
    if not is_json or document is None or document in BROKEN:
        return None
    read = json.loads(document)
    found = read.get("id") if isinstance(read, dict) else None
    return None if found is None else str(found)


def compare_checkpoints(host: HostWriter, table: Table, found: list[CheckpointSummary]) -> None:
    stored = [
        f"coalesce(pg_column_size({name}), 0)"
        for name in ("checkpoint", "metadata")
        if name in table.types
    ]
    id_column = next((one for one in ("checkpoint_id", "thread_ts") if one in table.types), None)
    order = ""
    if id_column is not None:
        as_text = "::text" if table.types[id_column] == "json" else ""
        order = f" ORDER BY checkpoints.{id_column}{as_text} DESC NULLS LAST"
    rows = host.execute(
        f"SELECT {table.text('checkpoint_id', 'thread_ts')}, {table.namespace},"  # noqa: S608
        f" {table.text('parent_checkpoint_id', 'parent_ts')}, {' + '.join(stored) or 'NULL'},"
        f" {table.text('checkpoint')} FROM checkpoints{order}"
    )
    expected = [
        (known_id if id_column else document_id(table, document), *others)
        for known_id, *others, document in rows
    ]
    assert Counter(
        (one.checkpoint_id, one.namespace, one.parent_id, one.stored_bytes) for one in found
    ) == Counter(expected)
    assert len({(one.namespace, one.key) for one in found}) == len(found)
    if order:
        assert [one.checkpoint_id for one in found] == [row[0] for row in expected]


def compare_writes(
    host: HostWriter, table: Table, writes: Table, found: list[CheckpointSummary]
) -> None:
    have_namespaces = all("checkpoint_ns" in one.types for one in (table, writes))
    for one in found:
        if "checkpoint_id" not in writes.types or one.checkpoint_id is None:
            assert one.writes is None
            continue
        where = f" AND {writes.namespace} = %s" if have_namespaces else ""
        ((count,),) = host.execute(
            f"SELECT count(*) FROM checkpoint_writes WHERE checkpoint_id::text = %s{where}",  # noqa: S608
            one.checkpoint_id,
            *([one.namespace] if have_namespaces else []),
        )
        assert one.writes == count


def compare_documents(
    host: HostWriter,
    table: Table,
    manager: RunManager,
    admin: Actor,
    found: list[CheckpointSummary],
) -> None:
    documents = Counter(host.execute(f"SELECT {table.text('checkpoint')} FROM checkpoints"))  # noqa: S608
    opened = [manager.reviewing.checkpoint(admin, "r", one.namespace, one.key) for one in found]
    assert [one.summary for one in opened] == found
    assert [len(one.writes) for one in opened] == [one.writes or 0 for one in found]
    shown = Counter((None if one.state is None else one.state.text,) for one in opened)
    if table.types.get("checkpoint") == "bytea":
        assert set(shown) <= {(None,)}
        assert all(one.state_bytes is not None for one in opened) or documents[(None,)]
    else:
        assert shown == documents


def compare_blobs(host: HostWriter, table: Table, manager: RunManager, admin: Actor) -> None:
    page = manager.reviewing.blobs(admin, "r", PageRequest(1, 200))
    pages = [
        manager.reviewing.blobs(admin, "r", PageRequest(number, 2)).items
        for number in range(1, -(-page.total // 2) + 1)
    ]
    assert [one for one_page in pages for one in one_page] == list(page.items)
    rows = host.execute(
        f"SELECT {table.text('channel')}, {table.namespace}, {table.text('version')},"  # noqa: S608
        f" {table.text('type')}, {table.size} FROM checkpoint_blobs"
    )
    shown = Counter(
        (one.channel, one.namespace, one.version, one.type, one.bytes) for one in page.items
    )
    assert shown == Counter(rows)
