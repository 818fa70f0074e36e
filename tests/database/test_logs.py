"""A run's log: every line once whatever columns the table has, by level, in either order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from runmanager.database import Database
from runmanager.errors import InvalidRequestError
from runmanager.host import catalog
from runmanager.host.values import TraceTable
from runmanager.paging import PageRequest
from runmanager.queries.run.logs import list_logs
from runmanager.settings import Settings
from tests.hosts import LONG_AGO

if TYPE_CHECKING:
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
@pytest.mark.parametrize("newest_first", [True, False])
def test_pages_have_every_line_once_whatever_columns_there_are(
    host: HostWriter, open_manager: OpenManager, admin: Actor, table: str, newest_first: bool
) -> None:
    host.execute(f"DROP TABLE logs; {table}")
    host.execute(FILL)
    found = read_all(open_manager(), admin, newest_first=newest_first)
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


def test_pages_of_a_view_have_every_line_once(host: HostWriter) -> None:
    host.execute(f"ALTER TABLE logs RENAME TO lines; {TABLES['no key']}")
    host.execute(FILL)
    host.execute("ALTER TABLE logs RENAME TO lines_inside")
    host.execute("CREATE VIEW logs AS SELECT * FROM lines_inside")
    database = Database(host.url, Settings(pool_size=2))
    with database.read() as connection:
        tables = catalog._read_tables(connection).values()
        (view,) = (table for table in tables if table.name == "logs")
        trace = TraceTable("logs", view, view.c.thread_id)
        pages = [list_logs(connection, trace, "r", PageRequest(n, 100)) for n in range(1, 11)]
    database.close()
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
    assert (page.total, page.items[0].message, page.items[0].level) == (25, "line 24", "INFO")
    assert page.items[0].time == LONG_AGO + timedelta(seconds=24)
    oldest = manager.reviewing.logs(admin, run, table, PageRequest(1, 10), newest_first=False)
    assert oldest.items[0].message == "line 0"
    errors = manager.reviewing.logs(
        admin, run, table, PageRequest(1, 10), levels=["ERROR", "\ud800", "\0"]
    )
    assert [entry.message for entry in errors.items] == [f"line {n}" for n in (20, 15, 10, 5, 0)]
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
    assert (second.time, second.level, second.message) == (None, "warn", "second")
    assert dict(second.others) == {"ts": "2", "step": "7"}
    assert (first.level, first.message, first.others) == (None, None, (("ts", "1"),))


def test_a_log_without_a_time_or_level_is_read(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute("DROP TABLE logs; CREATE TABLE logs (thread_id text, payload jsonb)")
    host.execute("INSERT INTO logs VALUES ('r', '{\"a\": 1}')")
    manager = open_manager()
    (entry,) = manager.reviewing.logs(admin, "r", "logs", PageRequest(), levels=["INFO"]).items
    assert entry.others == (("payload", '{"a": 1}'),)
    assert manager.reviewing.log_levels(admin, "r", "logs") == ()


def test_a_log_with_a_time_at_infinity_is_read(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    host.execute("INSERT INTO logs (thread_id, created_at) VALUES ('r', 'infinity')")
    (entry,) = manager.reviewing.logs(admin, "r", "logs", PageRequest()).items
    assert entry.time == datetime.max.replace(tzinfo=UTC)


@pytest.mark.parametrize("table", ["users", "nowhere", "logs; DROP TABLE users", "\0"])
def test_no_table_but_a_log_is_read_as_one(manager: RunManager, admin: Actor, table: str) -> None:
    with pytest.raises(InvalidRequestError):
        manager.reviewing.logs(admin, "r", table, PageRequest())
    with pytest.raises(InvalidRequestError):
        manager.reviewing.log_levels(admin, "r", table)
