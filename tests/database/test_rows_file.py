"""A file of rows: what it says of itself, and that psql alone puts every row back as it was."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from runmanager.archive.places import LocalPlace
from runmanager.archive.rows_file import Reference, RowsFile
from runmanager.archive.rows_format import (
    ArchivedColumn,
    ArchivedTable,
    RowsHeader,
    Unrecorded,
    file_name,
)
from runmanager.archive.values import copied_text, text_of
from runmanager.conventions import Conventions
from runmanager.errors import ArchiveError
from tests.archives import Batches, mounted, values_of
from tests.conftest import every_shape
from tests.tried import trying

if TYPE_CHECKING:
    from pathlib import Path

    from tests.hosts import HostWriter

ODD_TEXTS = (
    "a\tb",
    "back\\slash",
    "\\.",
    "\\N",
    "two\nlines",
    "\r\b\f\v",
    'it\'s "quoted" %s %(x)s :name $1',
    "über 🚀 \x01",
    "-- no comment; /* nor this",
    " blank ",
)


@pytest.fixture
def batches(host: HostWriter, tmp_path: Path) -> Batches:
    return Batches(host, tmp_path / "archive")


@every_shape
def test_psql_alone_puts_the_runs_of_any_host_back(host: HostWriter, batches: Batches) -> None:
    runs = host.add_runs(6, user="kate", workspace="ops")
    before = values_of(host)
    gone = batches.delete(runs[:2])
    batches.delete(runs[2:4])
    assert gone["run_metadata"] == 2
    assert set(gone) == set(host.shape.tables)
    assert all(host.is_gone(run) for run in runs[:4])
    assert not any(host.is_gone(run) for run in runs[4:])
    assert batches.restore_by_psql() == ""
    assert values_of(host) == before


@every_shape
def test_a_file_says_what_is_in_it(host: HostWriter, batches: Batches) -> None:
    runs = host.add_runs(3)
    gone = batches.delete(runs)
    header = batches.header()
    assert (header.operation_id, header.batch, header.xid) == ("op", 1, "123")
    assert header.host == {"name": "app"}
    assert host.shape.schema in header.search_path or host.shape.schema == "public"
    assert {table.name for table in header.tables} == set(host.shape.tables)
    frames = batches.frames()
    assert len(frames) == 1 + len(header.tables)
    for table, frame in zip(header.tables, frames[1:], strict=True):
        first, *lines = frame.split(b"\n")
        assert lines[-3:] == [b"\\.", b"", b""]
        assert first.startswith(f'COPY "{table.schema}"."{table.table}" ("thread_id", '.encode())
        assert (table.run_column, table.is_whole) == (0, True)
        found = [line.split(b"\t")[0].decode() for line in lines[:-3]]
        assert {run: found.count(run) for run in found} == table.rows
        assert sum(table.rows.values()) == gone[table.name]
        numbers = dict(
            host.execute(
                "SELECT attname, attnum FROM pg_attribute WHERE attrelid = %s::regclass"
                " AND attnum > 0",
                f"{table.schema}.{table.table}",
            )
        )
        assert {column.name: column.attnum for column in table.columns} == numbers


def test_a_header_is_the_same_after_it_was_written() -> None:
    table = ArchivedTable(
        'odd "t"', "s", "t\n", (ArchivedColumn("é\n", "text", 3),), None, False, {"run\t1": 2}
    )
    unrecorded = Unrecorded("x", "x_fkey", None, "It may not be read.")
    header = RowsHeader("op", 7, "9", {"system": None}, "a, b", (table,), 3, (unrecorded,))
    text = json.dumps(header.to_json())
    assert RowsHeader.from_json(json.loads(text)) == header
    assert "\n" not in text
    assert text.isascii()


def test_what_copy_writes_is_read_again(host: HostWriter) -> None:
    for text in (*ODD_TEXTS, "", "\\\\n", "\\b"):
        with trying(text), host.connection.cursor() as cursor:
            assert text_of(copied_text(text)) == text
            literal = "convert_from('\\x" + text.encode().hex() + "', 'UTF8')"
            with cursor.copy(f"COPY (SELECT {literal}) TO STDOUT") as copy:
                assert b"".join(bytes(one) for one in copy) == copied_text(text) + b"\n"


def test_ids_names_and_texts_of_any_kind_come_back(host: HostWriter, tmp_path: Path) -> None:
    host.execute(
        'CREATE TABLE "odd ""t"" %(x)s\n:y" ("it\'s" serial PRIMARY KEY,'
        ' "run \\ id" text REFERENCES run_metadata ON DELETE CASCADE,'
        ' "a ""b"" %s" text, ":c" int, "é\n" text[])'
    )
    host.execute("CREATE TABLE only_ids (thread_id text REFERENCES run_metadata ON DELETE CASCADE)")
    for text in ODD_TEXTS:
        host.add_run(text, name=text)
        host.add_traces(text)
        host.execute(
            'INSERT INTO "odd ""t"" %%(x)s\n:y" VALUES (DEFAULT, %s, %s, 1, %s)',
            text,
            text,
            [text, None, ""],
        )
        host.execute("INSERT INTO only_ids VALUES (%s)", text)
    stays = host.add_runs(1)
    before = values_of(host)
    batches = Batches(host, tmp_path / "archive", conventions=Conventions())
    gone = batches.delete(ODD_TEXTS)
    assert gone["only_ids"] == len(ODD_TEXTS)
    assert {table.name: set(table.rows) for table in batches.header().tables} == {
        table.name: set(ODD_TEXTS) for table in batches.header().tables
    }
    assert [run for (run,) in host.execute("SELECT thread_id FROM run_metadata")] == stays
    assert batches.restore_by_psql() == ""
    assert values_of(host) == before


def test_columns_that_the_database_computes_or_numbers_come_back(
    host: HostWriter, batches: Batches
) -> None:
    version = host.connection.info.server_version
    host.execute(
        "CREATE TABLE steps (dropped int, id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
        " thread_id text REFERENCES run_metadata ON DELETE CASCADE, tokens int,"
        " price numeric GENERATED ALWAYS AS (tokens * 0.1) STORED)"
    )
    if version >= 180000:
        host.execute("ALTER TABLE steps ADD seen int GENERATED ALWAYS AS (tokens + 1) VIRTUAL")
    host.execute("ALTER TABLE steps DROP dropped; ALTER TABLE steps ADD late text DEFAULT 'x'")
    (run,) = host.add_runs(1)
    host.execute("INSERT INTO steps (thread_id, tokens) SELECT %s, generate_series(1, 5)", run)
    before = values_of(host)
    batches.delete([run])
    (steps,) = (table for table in batches.header().tables if table.name == "steps")
    numbers = {column.name: column.attnum for column in steps.columns}
    late = 7 if version >= 180000 else 6
    assert numbers == {"thread_id": 3, "id": 2, "tokens": 4, "late": late}
    assert batches.restore_by_psql() == ""
    assert values_of(host) == before


def test_rows_that_do_not_hold_their_runs_id_come_run_by_run(
    host: HostWriter, batches: Batches
) -> None:
    host.execute(
        "CREATE TABLE messages (id int PRIMARY KEY,"
        " thread_id text REFERENCES run_metadata ON DELETE CASCADE);"
        "CREATE TABLE tool_calls (id int PRIMARY KEY,"
        " message int REFERENCES messages ON DELETE CASCADE, text text)"
    )
    runs = host.add_runs(3)
    for number in range(60):
        host.execute("INSERT INTO messages VALUES (%s, %s)", number, runs[number % 3])
        host.execute("INSERT INTO tool_calls VALUES (%s, %s, '%%')", number, number)
    before = values_of(host)
    assert batches.delete(runs[:2])["tool_calls"] == 40
    tables = {table.name: table for table in batches.header().tables}
    calls = tables["tool_calls"]
    assert (calls.run_column, calls.rows) == (None, {runs[0]: 20, runs[1]: 20})
    assert [column.name for column in calls.columns] == ["id", "message", "text"]
    (frame,) = (frame for frame in batches.frames() if b"tool_calls" in frame.split(b"\n")[0])
    owners = [runs[int(line.split(b"\t")[0]) % 3] for line in frame.split(b"\n")[1:-3]]
    assert owners == [run for run, rows in calls.rows.items() for _row in range(rows)]
    names = [table.name for table in batches.header().tables]
    assert names.index("run_metadata") < names.index("messages") < names.index("tool_calls")
    assert batches.restore_by_psql() == ""
    assert values_of(host) == before


def test_tables_that_refer_to_each_other_in_a_circle_leave_together(
    host: HostWriter, batches: Batches
) -> None:
    host.execute(
        "CREATE DOMAIN word AS text NOT NULL;"
        "CREATE TABLE messages (id int PRIMARY KEY, text word DEFAULT 'x',"
        " thread_id text REFERENCES run_metadata ON DELETE CASCADE, points point);"
        "ALTER TABLE run_metadata ADD last int"
        " REFERENCES messages DEFERRABLE INITIALLY IMMEDIATE"
    )
    runs = host.add_runs(3)
    for number in range(30):
        host.execute(
            "INSERT INTO messages VALUES (%s, %s, %s, '(1,2)')",
            number,
            "a\tb\\" if number % 2 else "",
            runs[number % 3],
        )
    host.execute(
        "UPDATE run_metadata r SET last = (SELECT max(id) FROM messages m"
        " WHERE m.thread_id = r.thread_id)"
    )
    before = values_of(host)
    gone = batches.delete(runs[:2])
    assert (gone["messages"], gone["run_metadata"]) == (20, 2)
    tables = {table.name: table for table in batches.header().tables}
    assert tables["messages"].rows == {runs[0]: 10, runs[1]: 10}
    assert tables["run_metadata"].rows == {runs[0]: 1, runs[1]: 1}
    assert batches.restore_by_psql() == ""
    assert values_of(host) == before


def test_partitions_and_a_run_without_traces_come_back(host: HostWriter, batches: Batches) -> None:
    host.execute(
        "ALTER TABLE logs RENAME TO old_logs;"
        "CREATE TABLE logs (thread_id text, at int, message text) PARTITION BY RANGE (at);"
        "CREATE TABLE logs_1 PARTITION OF logs FOR VALUES FROM (0) TO (10);"
        # A partition may have its columns in another order.
        "CREATE TABLE logs_2 (message text, extra int, at int, thread_id text);"
        "ALTER TABLE logs_2 DROP extra;"
        "ALTER TABLE logs ATTACH PARTITION logs_2 FOR VALUES FROM (10) TO (20);"
    )
    run, bare = host.add_run(), host.add_run()
    host.execute("INSERT INTO logs SELECT %s, n, 'm' || n FROM generate_series(5, 14) n", run)
    before = values_of(host)
    assert batches.delete([run, bare])["logs"] == 10
    assert {table.name for table in batches.header().tables} == {"run_metadata", "logs"}
    batches.restore_by_psql()
    assert values_of(host) == before


def test_a_batch_without_rows_is_a_file_without_tables(host: HostWriter, batches: Batches) -> None:
    before = values_of(host)
    assert batches.delete(["no such run"]) == {}
    assert batches.header().tables == ()
    assert len(batches.frames()) == 1
    batches.restore_by_psql()
    assert values_of(host) == before


def test_the_tool_that_the_documents_name_gives_the_same(
    host: HostWriter, batches: Batches, tmp_path: Path
) -> None:
    tool = shutil.which("zstd")
    assert tool is not None, "zstd is not installed: apt install zstd"
    batches.delete(host.add_runs(2))
    file = tmp_path / "archive" / "op" / file_name(1)
    done = subprocess.run([tool, "-dc", str(file)], capture_output=True, check=True)  # noqa: S603
    assert done.stdout == batches.script()


def test_a_damaged_file_is_not_read_as_if_it_were_whole(host: HostWriter, batches: Batches) -> None:
    import zstandard

    batches.delete(host.add_runs(2))
    name = file_name(1)
    data = bytearray(batches.folder.read(name))
    data[-1] ^= 1  # of the last frame's checksum
    batches.folder.write(name, bytes(data))
    with pytest.raises(zstandard.ZstdError):
        batches.frames()


# The file itself.

TABLE = ArchivedTable("t", "public", "t", (ArchivedColumn("a", "text", 1),), 0)


def test_what_is_too_much_for_memory_waits_on_the_place_s_own_disk(tmp_path: Path) -> None:
    place = LocalPlace(tmp_path / "archive")
    place.write_marker("x")
    folder = place.folder("op")
    with RowsFile(folder, 1) as file:
        with file.table(TABLE) as sink:
            for _turn in range(12):
                sink.write(os.urandom(1 << 20).hex().encode() + b"\n")
            sink.rows["x"] = 12
        # It has no name there, so nothing is left of it after a kill.
        assert folder.names() == ()
        assert os.listdir(tmp_path / "archive" / "op") == []  # noqa: PTH208
        size = file.finish(RowsHeader("op", 1, "1", {}))
    assert size == place.size("op")
    assert size > 12 << 20


def test_a_disk_that_is_full_before_the_file_is_complete_leaves_none(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk"):
        place = LocalPlace(tmp_path / "disk")
        place.write_marker("x")
        folder = place.folder("op")
        with (
            RowsFile(folder, 1) as file,
            pytest.raises(ArchiveError, match="full, and nothing was written") as raised,
            file.table(TABLE) as sink,
        ):
            sink.write(os.urandom(12 << 20))
        assert str(tmp_path) not in raised.value.message
        assert folder.names() == ()


def test_a_batch_that_fails_leaves_no_file(tmp_path: Path) -> None:
    place = LocalPlace(tmp_path / "archive")
    place.write_marker("x")
    with (
        pytest.raises(RuntimeError),
        RowsFile(place.folder("op"), 1) as file,
        file.table(TABLE),
    ):
        raise RuntimeError
    assert place.folder("op").names() == ()


def test_a_reference_is_put_back_only_where_it_is_empty() -> None:
    one = Reference("t", "s", 'o"d', "t_fkey", "run", {"id": "it's"}, {"a": "1"})
    assert one.lines().decode().splitlines()[1] == (
        'UPDATE "s"."o""d" SET "a" = \'1\' WHERE "id" = \'it\'\'s\' AND "a" IS NULL;'
    )
    two = Reference("t", "s", "t", "t_fkey", "run", {"id": "1"}, {"a": "1", "b": "2"})
    said, statement = two.lines().decode().splitlines()
    assert json.loads(said.removeprefix("-- "))["set"] == {"a": "1", "b": "2"}
    assert statement == (
        'UPDATE "s"."t" SET "a" = \'1\', "b" = \'2\' WHERE "id" = \'1\''
        ' AND ("a" IS NULL OR "a" = \'1\') AND ("b" IS NULL OR "b" = \'2\')'
        ' AND ("a" IS NULL OR "b" IS NULL);'
    )
