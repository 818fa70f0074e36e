"""The sizes of the host's tables, as PostgreSQL's statistics have them, and of an index to be."""

from __future__ import annotations

import pytest

from runmanager.queries.catalog.sizes import TableSize, btree_bytes, read_sizes, trigram_bytes
from tests.conftest import every_shape
from tests.hosts import HostWriter, fill
from tests.readings import opened


def size_of(host: HostWriter, table: str) -> TableSize:
    with opened(host) as (connection, schema):
        tables = [schema.runs, *(trace.table for trace in (*schema.traces, *schema.left_behind))]
        found = read_sizes(connection, tables)
    return found[f"{host.shape.schema}.{table}"]


def test_rows_are_known_once_a_table_was_analysed(host: HostWriter) -> None:
    host.add_runs(3)
    assert size_of(host, "run_metadata").rows is None
    host.execute("ANALYZE")
    size = size_of(host, "run_metadata")
    assert size.rows == 3
    assert size.stored_bytes == 8192
    assert size.columns["user_id"].null_part == 1
    assert size.columns["thread_id"].distinct == 3


def test_rows_of_partitions_are_summed(host: HostWriter) -> None:
    host.execute(
        "DROP TABLE logs; CREATE TABLE logs (thread_id text, n int) PARTITION BY HASH (n);"
        "CREATE TABLE logs_0 PARTITION OF logs FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
        "CREATE TABLE logs_1 PARTITION OF logs FOR VALUES WITH (MODULUS 2, REMAINDER 1)"
        " PARTITION BY LIST (thread_id);"
        "CREATE TABLE logs_1_rest PARTITION OF logs_1 DEFAULT"
    )
    host.execute("INSERT INTO logs SELECT 'a run', n FROM generate_series(1, 100) n")
    host.execute("ANALYZE")
    size = size_of(host, "logs")
    assert size.rows == 100
    assert size.columns["n"].distinct == 100
    assert [(part.name, part.is_leaf) for part in size.parts] == [
        ("logs", False),
        ("logs_0", True),
        ("logs_1", False),
        ("logs_1_rest", True),
    ]


@every_shape
def test_the_likely_size_of_a_b_tree_is_near_its_size(host: HostWriter) -> None:
    fill(host, 12_000)
    with opened(host) as (connection, schema):
        size = read_sizes(connection, [schema.runs])[schema.runs.fullname]
    for names in (["created_at", "thread_id"], ["user_id", "created_at", "thread_id"], ["user_id"]):
        host.execute(f"CREATE INDEX measured ON run_metadata ({', '.join(names)})")
        ((actual,),) = host.execute("SELECT pg_relation_size('measured')")
        likely = btree_bytes(size, [schema.runs.c[name] for name in names])
        assert likely == pytest.approx(actual, rel=0.2), names
        host.execute("DROP INDEX measured")


def test_an_empty_table_has_no_rows_once_it_was_analysed(host: HostWriter) -> None:
    host.execute("ANALYZE")
    size = size_of(host, "run_metadata")
    assert (size.rows, size.stored_bytes) == (0, 0)


def test_where_the_rows_are_not_known_no_index_has_a_likely_size(host: HostWriter) -> None:
    host.add_runs(3)
    with opened(host) as (connection, schema):
        runs = schema.runs
        size = read_sizes(connection, [runs])[runs.fullname]
    assert btree_bytes(size, [runs.c.created_at]) is None
    assert trigram_bytes(size, runs.c.run_name, is_id=False) is None


@pytest.mark.parametrize("shape", ["text", "uuid"], indirect=True)
def test_the_likely_size_of_a_trigram_index_is_of_the_order_of_its_size(
    host: HostWriter,
) -> None:
    host.execute("CREATE EXTENSION pg_trgm")
    fill(host, 12_000)
    host.execute("UPDATE run_metadata SET run_name = NULL WHERE run_name LIKE '%5'; ANALYZE")
    with opened(host) as (connection, schema):
        runs = schema.runs
        size = read_sizes(connection, [runs])[runs.fullname]
    assert size.columns["run_name"].null_part == pytest.approx(0.1, abs=0.02)
    likely = trigram_bytes(size, runs.c.run_name, is_id=False)
    host.execute("CREATE INDEX measured ON run_metadata USING gin (run_name gin_trgm_ops)")
    ((actual,),) = host.execute("SELECT pg_relation_size('measured')")
    assert likely is not None
    assert actual / 3 < likely < actual * 3
