"""What is read of the host's indexes, and that PostgreSQL agrees on what they serve."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
import sqlalchemy as sa

from runmanager.queries.catalog.index_reader import read_indexes, read_references, read_trigram
from runmanager.queries.catalog.indexes import (
    Index,
    begins_with,
    finds,
    has_trigram,
    leading,
    leads_with,
)
from tests.conftest import every_shape
from tests.readings import opened

if TYPE_CHECKING:
    from tests.hosts import HostWriter


def indexes_of_runs(host: HostWriter) -> tuple[sa.Table, tuple[Index, ...]]:
    with opened(host) as (connection, schema):
        return schema.runs, read_indexes(connection, [schema.runs])


def plan_of(host: HostWriter, statement: str) -> str:
    """How PostgreSQL would run it if it had to do with indexes wherever it can."""
    host.execute(
        "SET enable_seqscan = off; SET enable_sort = off; SET enable_incremental_sort = off"
    )
    return "\n".join(line for (line,) in host.execute(f"EXPLAIN {statement}"))


def test_an_index_is_read_with_its_keys_in_order(host: HostWriter) -> None:
    host.execute(
        "CREATE UNIQUE INDEX odd ON run_metadata"
        " (user_id text_pattern_ops, created_at DESC NULLS LAST, lower(run_name)) INCLUDE (status)"
    )
    runs, indexes = indexes_of_runs(host)
    (found,) = leading(indexes, runs.c.user_id)
    assert (found.table, found.name, found.method) == ("run_metadata", "odd", "btree")
    assert found.is_unique
    assert not found.is_partial
    assert [key.column for key in found.keys] == ["user_id", "created_at", None]
    assert [key.expression for key in found.keys] == ["user_id", "created_at", "lower(run_name)"]
    assert [key.is_descending for key in found.keys] == [False, True, False]
    assert [key.nulls_first for key in found.keys] == [False, False, False]
    assert [key.operator_class for key in found.keys] == [
        "text_pattern_ops",
        "timestamptz_ops",
        "text_ops",
    ]


@every_shape
def test_the_indexes_of_all_tables_are_read_in_one_statement(host: HostWriter) -> None:
    with opened(host) as (connection, schema):
        seen: list[str] = []
        sa.event.listen(
            connection, "before_cursor_execute", lambda *arguments: seen.append(arguments[2])
        )
        tables = [schema.runs, *(trace.table for trace in schema.traces)]
        indexes = read_indexes(connection, tables)
    assert len(seen) == 1
    keyed = {index.table for index in indexes if index.is_unique}
    assert keyed == set(host.shape.tables)


def test_an_index_that_was_never_finished_is_not_read(host: HostWriter) -> None:
    host.add_run()
    host.add_run()
    with pytest.raises(psycopg.errors.UniqueViolation):
        host.execute("CREATE UNIQUE INDEX CONCURRENTLY broken ON run_metadata (created_at)")
    runs, indexes = indexes_of_runs(host)
    assert not leads_with(indexes, runs.c.created_at)


@pytest.mark.parametrize(
    "index",
    [
        "(created_at) WHERE created_at IS NOT NULL",
        "USING brin (created_at)",
        "USING hash (created_at)",
        "(user_id, created_at)",
        "((created_at AT TIME ZONE 'UTC'))",
    ],
)
def test_an_index_that_gives_no_order_by_time_does_not_count(host: HostWriter, index: str) -> None:
    host.execute(f"CREATE INDEX ON run_metadata {index}")
    runs, indexes = indexes_of_runs(host)
    assert not leads_with(indexes, runs.c.created_at)


def test_the_second_key_is_asked_for_as_well(host: HostWriter) -> None:
    host.execute("CREATE INDEX ON run_metadata (user_id); CREATE INDEX ON run_metadata (status)")
    runs, indexes = indexes_of_runs(host)
    assert leads_with(indexes, runs.c.user_id)
    assert not leads_with(indexes, runs.c.user_id, runs.c.created_at)
    host.execute("CREATE INDEX ON run_metadata (user_id, created_at DESC)")
    runs, indexes = indexes_of_runs(host)
    assert leads_with(indexes, runs.c.user_id, runs.c.created_at)
    assert not leads_with(indexes, runs.c.workspace_id, runs.c.created_at)


@pytest.mark.parametrize("key", ["thread_id text_pattern_ops", 'thread_id COLLATE "C"'])
def test_a_tie_break_in_another_order_does_not_count(host: HostWriter, key: str) -> None:
    host.execute(f"CREATE INDEX ON run_metadata (created_at, {key})")
    runs, indexes = indexes_of_runs(host)
    assert leads_with(indexes, runs.c.created_at)
    assert not leads_with(indexes, runs.c.created_at, runs.c.thread_id)


def test_a_hash_finds_but_has_no_order(host: HostWriter) -> None:
    host.execute("CREATE INDEX ON run_metadata USING hash (parent_thread_id)")
    runs, indexes = indexes_of_runs(host)
    assert finds(indexes, runs.c.parent_thread_id)
    assert not leads_with(indexes, runs.c.parent_thread_id)
    plan = plan_of(host, "SELECT FROM run_metadata WHERE parent_thread_id = ANY('{a,b}')")
    assert "run_metadata_parent_thread_id_idx" in plan


@pytest.mark.parametrize(
    "key", ["created_at", "created_at DESC", "created_at NULLS FIRST", "created_at DESC NULLS LAST"]
)
def test_where_the_nulls_are_is_what_postgresql_thinks(host: HostWriter, key: str) -> None:
    host.execute(f"CREATE INDEX ON run_metadata ({key})")
    runs, indexes = indexes_of_runs(host)
    (index,) = leading(indexes, runs.c.created_at)
    last = plan_of(host, "SELECT FROM run_metadata ORDER BY created_at DESC NULLS LAST")
    first = plan_of(host, "SELECT FROM run_metadata ORDER BY created_at DESC")
    assert index.keys[0].nulls_last_from_the_top == ("Sort" not in last)
    assert index.keys[0].nulls_last_from_the_top != ("Sort" not in first)


def test_columns_of_a_key_may_stand_in_any_order(host: HostWriter) -> None:
    host.execute("CREATE INDEX ON run_metadata (user_id, workspace_id, status)")
    runs, indexes = indexes_of_runs(host)
    assert begins_with(indexes, runs, (runs.c.workspace_id, runs.c.user_id))
    assert begins_with(indexes, runs, (runs.c.user_id,))
    assert not begins_with(indexes, runs, (runs.c.workspace_id,))
    assert not begins_with(indexes, runs, (runs.c.user_id, runs.c.status))


@pytest.mark.parametrize("index", ["gin (run_name gin_trgm_ops)", "gist (run_name gist_trgm_ops)"])
@pytest.mark.parametrize("kind", ["text", "varchar"])
def test_a_trigram_index_is_known(host: HostWriter, index: str, kind: str) -> None:
    host.execute(f"ALTER TABLE run_metadata ALTER run_name TYPE {kind}")
    host.execute("CREATE EXTENSION pg_trgm")
    host.execute(f"CREATE INDEX ON run_metadata USING {index}")
    runs, indexes = indexes_of_runs(host)
    assert has_trigram(indexes, runs.c.run_name)
    assert not has_trigram(indexes, runs.c.thread_id)


@pytest.mark.parametrize("shape", ["uuid"], indirect=True)
def test_a_trigram_index_on_the_text_of_an_id_is_known(host: HostWriter) -> None:
    host.execute("CREATE EXTENSION pg_trgm")
    host.execute("CREATE INDEX ON run_metadata USING gin ((thread_id::text) gin_trgm_ops)")
    runs, indexes = indexes_of_runs(host)
    assert has_trigram(indexes, runs.c.thread_id)
    # It finds parts of the text, and no id.
    assert not finds([index for index in indexes if not index.is_unique], runs.c.thread_id)


@pytest.mark.parametrize("name", ['Odd "one"', "user", "Übung", "a$b", "1st"])
def test_a_cast_of_a_column_is_known_whatever_its_name(host: HostWriter, name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    host.execute("CREATE EXTENSION pg_trgm")
    host.execute(f"ALTER TABLE run_metadata ADD {quoted} uuid")
    host.execute(f"CREATE INDEX ON run_metadata USING gin (({quoted}::text) gin_trgm_ops)")
    runs, indexes = indexes_of_runs(host)
    assert has_trigram(indexes, runs.c[name])


def test_an_index_of_another_expression_is_no_trigram_index(host: HostWriter) -> None:
    host.execute("CREATE EXTENSION pg_trgm")
    host.execute("CREATE INDEX ON run_metadata USING gin (lower(run_name) gin_trgm_ops)")
    host.execute("CREATE INDEX ON run_metadata USING gin ((run_name || status) gin_trgm_ops)")
    host.execute("CREATE INDEX ON run_metadata USING hash (run_name)")
    runs, indexes = indexes_of_runs(host)
    assert not has_trigram(indexes, runs.c.run_name)


def test_the_trigram_class_is_named_as_it_is_found(host: HostWriter) -> None:
    def found() -> tuple[bool, tuple[str, ...] | None]:
        with opened(host) as (connection, _schema):
            trigram = read_trigram(connection)
        return trigram.is_available, trigram.operator_class

    assert found() == (True, None)
    host.execute("CREATE SCHEMA extensions; CREATE EXTENSION pg_trgm SCHEMA extensions")
    assert found() == (True, ("extensions", "gin_trgm_ops"))
    host.execute("ALTER EXTENSION pg_trgm SET SCHEMA public")
    assert found() == (True, ("gin_trgm_ops",))


def test_an_index_on_a_partitioned_table_counts_once_it_covers_all(host: HostWriter) -> None:
    host.execute(
        "DROP TABLE logs; CREATE TABLE logs (thread_id text, n int) PARTITION BY HASH (n);"
        "CREATE TABLE logs_0 PARTITION OF logs FOR VALUES WITH (MODULUS 1, REMAINDER 0);"
        "CREATE INDEX of_all ON ONLY logs (thread_id); CREATE INDEX of_0 ON logs_0 (thread_id)"
    )

    def is_found() -> bool:
        with opened(host) as (connection, schema):
            logs = schema.trace("logs")
            assert logs is not None
            return finds(read_indexes(connection, [logs]), logs.c.thread_id)

    assert not is_found()
    host.execute("ALTER INDEX of_all ATTACH PARTITION of_0")
    assert is_found()


def test_a_reference_from_a_schema_off_the_search_path_is_found(host: HostWriter) -> None:
    host.execute("CREATE SCHEMA billing")
    host.execute("CREATE TABLE billing.costs (run text REFERENCES run_metadata)")
    host.execute("CREATE TABLE pages (log bigint REFERENCES logs (id))")
    host.execute("CREATE TABLE badges (owner text REFERENCES users (id))")
    with opened(host) as (connection, schema):
        found = read_references(connection, schema)
    assert [(one.table.fullname, one.columns[0].name, one.to_table) for one in found] == [
        ("billing.costs", "run", "run_metadata"),
        ("public.pages", "log", "logs"),
    ]
