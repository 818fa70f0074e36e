"""A run's log: every line once whatever columns the table has, by level, in either order."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from runmanager.database import Database
from runmanager.errors import InvalidRequestError, RunNotFoundError, UnknownNameError
from runmanager.host.catalog import read_host
from runmanager.paging import PageRequest
from runmanager.queries.run.logs import list_logs, read_log_line
from runmanager.records import Excerpt
from runmanager.settings import Settings
from tests.hosts import LONG_AGO
from tests.texts import texts, whole
from tests.tried import trying

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa

    from runmanager.host.values import TraceTable
    from runmanager.records import Actor, LogEntry
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter

LINES = 1000
# 150 lines of a run share each timestamp; a second run has lines between them.
FILL = f"""
    INSERT INTO logs (thread_id, created_at, level, message)
    SELECT CASE WHEN n % 5 = 0 THEN 'other' ELSE 'r' END,
           timestamptz '2025-01-01' + (n / 188) * interval '1 second', 'INFO', 'line ' || n
    FROM generate_series(1, {LINES * 5 // 4}) n ORDER BY md5(n::text)
"""  # noqa: S608
TABLES = {
    "no key": "CREATE TABLE logs (thread_id text, created_at timestamptz, level text,"
    " message text)",
    "a key of another name": "CREATE TABLE logs (thread_id text, created_at timestamptz,"
    " level text, message text, entry uuid PRIMARY KEY DEFAULT gen_random_uuid())",
    "a key of several columns": "CREATE TABLE logs (thread_id text, created_at timestamptz,"
    " level text, message text, seq serial, PRIMARY KEY (thread_id, created_at, seq))",
    "a unique index": "CREATE TABLE logs (thread_id text, created_at timestamptz, level text,"
    " message text, seq serial); CREATE UNIQUE INDEX ON logs (thread_id, seq)",
    "a unique index with NULLs": "CREATE TABLE logs (thread_id text, created_at timestamptz,"
    " level text, message text, seq int UNIQUE)",
    "a partial unique index": "CREATE TABLE logs (thread_id text, created_at timestamptz,"
    " level text, message text, seq int NOT NULL DEFAULT 0);"
    " CREATE UNIQUE INDEX ON logs (seq) WHERE seq > 0",
    "an id that is not unique": "CREATE TABLE logs (id int DEFAULT 7, thread_id text,"
    " created_at timestamptz, level text, message text)",
    "an id without an order": "CREATE TABLE logs (id json DEFAULT '{}', thread_id text,"
    " created_at timestamptz, level text, message text)",
    "partitions": "CREATE TABLE logs (thread_id text, created_at timestamptz, level text,"
    " message text) PARTITION BY HASH (message);"
    " CREATE TABLE logs_0 PARTITION OF logs FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
    " CREATE TABLE logs_1 PARTITION OF logs FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
}
# Eight tables, each with a line of every id.
INHERITED = """
    CREATE TABLE logs (id int PRIMARY KEY, thread_id text, created_at timestamptz, level text,
                       message text);
    INSERT INTO logs SELECT n, 'r', '2025-01-01', 'INFO', n || ' of none'
    FROM generate_series(1, 125) n;
    DO $$ BEGIN FOR year IN 1..7 LOOP
        EXECUTE format('CREATE TABLE logs_%1$s (PRIMARY KEY (id)) INHERITS (logs);'
                       'INSERT INTO logs_%1$s SELECT id, thread_id, created_at, level,'
                       ' id || '' of %1$s'' FROM ONLY logs', year);
    END LOOP; END $$
"""


def read_all(manager: RunManager, admin: Actor, *, newest_first: bool = True) -> list[LogEntry]:
    """Ten pages of a hundred lines, one after the other."""
    return [
        entry
        for number in range(1, 11)
        for entry in manager.reviewing.logs(
            admin, "r", "logs", PageRequest(number, 100), newest_first=newest_first
        ).items
    ]


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_pages_have_every_line_once_whatever_columns_there_are(
    host: HostWriter, open_manager: OpenManager, admin: Actor, table: str
) -> None:
    host.execute(f"DROP TABLE logs; {table}")
    host.execute(FILL)
    manager = open_manager()
    for newest_first in (True, False):
        with trying("newest first" if newest_first else "oldest first"):
            found = read_all(manager, admin, newest_first=newest_first)
            assert len(found) == len({entry.message for entry in found}) == LINES
            times = [entry.time for entry in found if entry.time is not None]
            assert times == sorted(times, reverse=newest_first)


def test_lines_of_a_table_and_of_those_that_inherit_from_it_are_read_once(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    """A parent's primary key says nothing of its children's rows."""
    host.execute(f"DROP TABLE logs; {INHERITED}")
    found = read_all(open_manager(), admin)
    assert len(found) == len({entry.message for entry in found}) == LINES


@contextmanager
def reading(host: HostWriter) -> Iterator[tuple[sa.Connection, TraceTable]]:
    """A transaction, and the host's view "logs" as a log table."""
    database = Database(host.url, Settings(pool_size=2))
    try:
        with database.read() as connection:
            (logs,) = read_host(connection).logs
            yield connection, logs
    finally:
        database.close()


def test_pages_of_a_view_have_every_line_once(host: HostWriter) -> None:
    host.execute(f"ALTER TABLE logs RENAME TO lines; {TABLES['no key']}")
    host.execute(FILL)
    host.execute("ALTER TABLE logs RENAME TO lines_inside")
    host.execute("CREATE VIEW logs AS SELECT * FROM lines_inside")
    with reading(host) as (connection, view):
        pages = [
            list_logs(connection, view, "r", PageRequest(n, 100), zone=UTC) for n in range(1, 11)
        ]
    assert len({entry.message for page in pages for entry in page.items}) == LINES


@pytest.mark.parametrize("shape", ["text", "uuid"], indirect=True)
def test_a_log_is_paged_and_filtered_by_level(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    run, other = host.add_run(), host.add_run()
    (table,) = manager.reviewing.log_tables
    for number in range(25):
        level = "ERROR" if number % 5 == 0 else "INFO"
        host.execute(
            f"INSERT INTO {table} (thread_id, level, message, created_at) VALUES (%s, %s, %s, %s)",  # noqa: S608
            run, level, f"line {number}", LONG_AGO + timedelta(seconds=number),
        )  # fmt: skip
    host.add_traces(other)
    assert manager.reviewing.log_levels(admin, run, table) == ("ERROR", "INFO")
    page = manager.reviewing.logs(admin, run, table, PageRequest(1, 10))
    assert (page.total, page.items[0].level) == (25, "INFO")
    assert page.items[0].message == whole("line 24")
    assert page.items[0].time == LONG_AGO + timedelta(seconds=24)
    oldest = manager.reviewing.logs(admin, run, table, PageRequest(1, 10), newest_first=False)
    assert oldest.items[0].message == whole("line 0")
    errors = manager.reviewing.logs(
        admin, run, table, PageRequest(1, 10), levels=["ERROR", "\ud800", "\0"]
    )
    assert [entry.message for entry in errors.items] == [
        whole(f"line {number}") for number in (20, 15, 10, 5, 0)
    ]
    last = manager.reviewing.logs(admin, run, table, PageRequest(99, 10))
    assert (last.number, len(last.items)) == (3, 5)


def test_a_log_of_other_column_names_is_read(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute("DROP TABLE logs")
    host.execute("CREATE TABLE logs (thread_id text, ts float8, severity text, msg text, step int)")
    host.execute(
        "INSERT INTO logs VALUES ('r', 2, 'warn', 'second', 7), ('r', 1, NULL, NULL, NULL)"
    )
    second, first = open_manager().reviewing.logs(admin, "r", "logs", PageRequest()).items
    assert (second.time, second.level, second.message) == (None, "warn", whole("second"))
    assert texts(second.others) == {"ts": "2", "step": "7"}
    assert (first.level, first.message, texts(first.others)) == (None, None, {"ts": "1"})


def test_a_log_without_a_time_or_level_is_read(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute("DROP TABLE logs; CREATE TABLE logs (thread_id text, payload jsonb)")
    host.execute("INSERT INTO logs VALUES ('r', '{\"a\": 1}')")
    manager = open_manager()
    (entry,) = manager.reviewing.logs(admin, "r", "logs", PageRequest(), levels=["INFO"]).items
    assert texts(entry.others) == {"payload": '{"a": 1}'}
    assert manager.reviewing.log_levels(admin, "r", "logs") == ()


def test_a_log_with_a_time_at_infinity_is_read(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    host.execute("INSERT INTO logs (thread_id, created_at) VALUES ('r', 'infinity')")
    (entry,) = manager.reviewing.logs(admin, "r", "logs", PageRequest()).items
    assert entry.time == datetime.max.replace(tzinfo=UTC)


def test_no_table_but_a_log_is_read_as_one(manager: RunManager, admin: Actor) -> None:
    for table in ("users", "nowhere", "logs; DROP TABLE users", "\0"):
        with trying(table):
            with pytest.raises(UnknownNameError):
                manager.reviewing.logs(admin, "r", table, PageRequest())
            with pytest.raises(UnknownNameError):
                manager.reviewing.log_levels(admin, "r", table)


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_long_line_keeps_both_its_ends_and_is_read_whole_by_its_key(
    host: HostWriter, open_manager: OpenManager, admin: Actor, table: str
) -> None:
    host.execute(f"DROP TABLE logs; {table}; ALTER TABLE logs ADD payload jsonb")
    host.execute(FILL)
    text = "first line\n" + "é" * 20_000 + "\nlast line"
    host.execute("UPDATE logs SET message = %s, payload = '[1]' WHERE message = 'line 601'", text)
    manager = open_manager()
    found = read_all(manager, admin)
    (long,) = (entry for entry in found if entry.message is not None and entry.message.is_cut)
    assert long.message == Excerpt(text[:5_000], text[-5_000:], len(text))
    line = manager.reviewing.log_line(admin, "r", "logs", long.key)
    assert line.message == whole(text)
    assert texts(line.others)["payload"] == "[1]"
    assert (line.key, line.time, line.level) == (long.key, long.time, long.level)
    for entry in found[::97]:
        assert manager.reviewing.log_line(admin, "r", None, entry.key).message == entry.message
        with pytest.raises(RunNotFoundError):
            manager.reviewing.log_line(admin, "other", "logs", entry.key)


def test_a_line_of_a_view_is_read_by_its_key(host: HostWriter) -> None:
    host.execute("ALTER TABLE logs RENAME TO lines; CREATE VIEW logs AS SELECT * FROM lines")
    host.execute("INSERT INTO lines (thread_id, message) VALUES ('r', 'a'), ('r', 'b')")
    with reading(host) as (connection, view):
        for entry in list_logs(connection, view, "r", PageRequest(), zone=UTC).items:
            assert read_log_line(connection, view, "r", entry.key, zone=UTC) == entry


NO_KEYS = (
    "", "1", "[]", "[1]", '["x"]', '["1","2"]', '["9999"]', '["\\u0000"]', '["\\ud800"]', "{",
    "null", '"1"', "[[]]", "[" * 100_000, '["' + "9" * 5_000 + '"]', "\0", "\ud800",
)  # fmt: skip


@pytest.mark.parametrize("has_key", [True, False])
def test_a_key_that_no_line_has_finds_nothing(
    host: HostWriter, open_manager: OpenManager, admin: Actor, has_key: bool
) -> None:
    if not has_key:
        host.execute("ALTER TABLE logs DROP CONSTRAINT logs_pkey")
    host.add_runs(3)
    host.execute("UPDATE logs SET thread_id = 'r'")
    manager = open_manager()
    # The one key above that may be a line's own.
    host.execute("DELETE FROM logs WHERE id = 1")
    for key in NO_KEYS:
        with trying(key), pytest.raises(RunNotFoundError):
            manager.reviewing.log_line(admin, "r", "logs", key)


def test_a_host_without_a_log_has_no_line(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute("DROP TABLE logs")
    with pytest.raises(RunNotFoundError):
        open_manager().reviewing.log_line(admin, "r", None, '["1"]')


def test_bytes_in_a_log_are_measured(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute("ALTER TABLE logs ADD raw bytea, ALTER message TYPE bytea USING NULL")
    host.execute("INSERT INTO logs (thread_id, message, raw) VALUES ('r', 'abc', 'abcd')")
    manager = open_manager()
    (entry,) = manager.reviewing.logs(admin, "r", "logs", PageRequest()).items
    assert entry.message == whole("3 bytes")
    assert texts(entry.others) == {"raw": "4 bytes"}
    assert manager.reviewing.log_line(admin, "r", "logs", entry.key) == entry


def test_a_line_over_50_mb_is_refused_with_its_size(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    host.execute("INSERT INTO logs (thread_id, message) VALUES ('r', repeat('x', 50000001))")
    (entry,) = manager.reviewing.logs(admin, "r", "logs", PageRequest()).items
    assert entry.message is not None
    assert entry.message.length == 50_000_001
    with pytest.raises(InvalidRequestError, match="has 50,000,001 bytes"):
        manager.reviewing.log_line(admin, "r", "logs", entry.key)
