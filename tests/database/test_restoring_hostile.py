"""What a run put into its rows never says what is restored: not by lines of its own, nor by names.

Whoever may name a run, a key or a table may write a line that looks like one of the archive's.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import psycopg
import pytest
import zstandard

from runmanager.archive.reading import open_rows, read_header
from runmanager.archive.rows_file import Reference, RowsFile
from runmanager.archive.rows_format import ArchivedColumn, ArchivedTable, RowsHeader, file_name
from runmanager.errors import ArchiveError
from tests.archives import Batches, values_of
from tests.folders import MemoryFolder
from tests.restoring import Undo, undoing
from tests.texts import HOSTILE
from tests.tried import trying

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.hosts import HostWriter

PLANTED = "-- " + json.dumps(
    {
        "table": "accounts",
        "schema": "public",
        "relation": "accounts",
        "constraint": "x",
        "run": "x",
        "key": {"id": "1"},
        "set": {"owner": "mallory"},
        "types": {"id": "text", "owner": "text"},
    }
)
UPDATE = "UPDATE public.accounts SET owner = 'mallory';"
PLANTED_LINES = f"x\n{PLANTED}\n{PLANTED}\n{UPDATE}\nSET x"
# A name has 63 bytes at the most.
ODD_NAMES = (
    'a\nCOPY "x"',
    "a\r\n-- {}",
    'it\'s "t" \\ %s\n\\.\n',
    "\\000a\n:x $1 /*",
    "U&\n'",
)


@pytest.fixture
def undo(host: HostWriter) -> Iterator[Undo]:
    """A deletion on the test's host."""
    with undoing(host.url) as undone:
        yield undone


def refer(host: HostWriter) -> None:
    """Tables of the host: one that refers to runs, and one that has nothing to do with them."""
    host.execute(
        "CREATE TABLE invoices (id text PRIMARY KEY,"
        " thread_id text REFERENCES run_metadata ON DELETE SET NULL);"
        "CREATE TABLE accounts (id text PRIMARY KEY, owner text);"
        "INSERT INTO accounts VALUES ('1', NULL)"
    )


def test_a_line_planted_in_an_id_is_never_read_as_a_reference(host: HostWriter, undo: Undo) -> None:
    refer(host)
    run = host.add_run(PLANTED_LINES)
    for number in range(4):
        host.execute("INSERT INTO invoices VALUES (%s, %s)", f"{number}\n{PLANTED}\n", run)
    before = values_of(host)
    assert undo.delete([run]) == [run]
    assert host.execute("SELECT count(*) FROM invoices WHERE thread_id IS NULL") == [(4,)]
    undo.restore([run])
    assert values_of(host) == before


@pytest.mark.parametrize("odd", ODD_NAMES)
def test_names_with_line_breaks_are_no_lines_of_the_file(
    host: HostWriter, undo: Undo, tmp_path: Path, odd: str
) -> None:
    name = '"' + odd.replace('"', '""') + '"'
    sql = (
        f"CREATE TABLE {name} ({name} text PRIMARY KEY, note text,"
        " thread_id text REFERENCES run_metadata ON DELETE CASCADE);"
        f'CREATE TABLE {name[:-1]}2" ({name} text PRIMARY KEY,'
        " thread_id text REFERENCES run_metadata ON DELETE SET NULL);"
    )
    host.connection.execute(sql.encode())
    run = host.add_run(PLANTED_LINES)
    for number in range(3):
        for table in (f"{name} ({name}, thread_id)", f'{name[:-1]}2"'):
            # Without values beside it: a name may have what stands for one.
            insert = f"PREPARE one (text, text) AS INSERT INTO {table} VALUES ($1, $2)"  # noqa: S608  quoted
            host.connection.execute(insert.encode())
            values = (f"{number}\n{odd}", run)
            psycopg.ClientCursor(host.connection).execute("EXECUTE one (%s, %s)", values)
            host.execute("DEALLOCATE one")
    before = values_of(host)
    assert undo.delete([run]) == [run]
    undo.restore([run])
    assert values_of(host) == before
    batches = Batches(host, tmp_path / "archive")
    batches.delete([run])
    assert host.is_gone(run)
    assert batches.restore_by_psql() == ""
    assert values_of(host) == before


def test_hostile_ids_and_keys_come_back_by_psql_alone(
    host: HostWriter, undo: Undo, tmp_path: Path
) -> None:
    refer(host)
    texts = [one.text for one in HOSTILE if len(one.text) < 2_000]
    texts += [PLANTED_LINES, "a\\\nb", "'\r'", "\\n\n", "E'\n'; DROP TABLE accounts; --"]
    for text in texts:
        host.add_run(text)
        for number in range(2):
            host.execute("INSERT INTO invoices VALUES (%s, %s)", f"{number}\n{text}", text)
    before = values_of(host)
    batches = Batches(host, tmp_path / "archive")
    batches.delete(texts)
    assert host.execute("SELECT count(*) FROM invoices WHERE thread_id IS NOT NULL") == [(0,)]
    references = batches.frames()[-1]
    assert references.count(b"\n") == 4 * len(texts)
    assert batches.restore_by_psql() == ""
    assert values_of(host) == before
    assert set(undo.delete(texts)) == set(texts)
    undo.restore(texts)
    assert values_of(host) == before


def test_the_type_of_a_reference_is_the_column_s_whatever_the_file_says(
    host: HostWriter, undo: Undo
) -> None:
    refer(host)
    (run,) = host.add_runs(1)
    host.execute("INSERT INTO invoices VALUES ('1', %s)", run)
    before = values_of(host)
    undo.delete([run])

    def poison(script: bytes) -> bytes:
        poisoned = b', "types": {"id": "text) = (SELECT pg_sleep(9)", "thread_id": "text"}}\nUPDATE'
        return script.replace(b"}\nUPDATE", poisoned)

    rewrite(undo, poison)
    undo.restore([run])
    assert values_of(host) == before


# A file that is not one.


def rewrite(undo: Undo, change: Callable[[bytes], bytes]) -> None:
    """Let the last file hold something else."""
    name = file_name(undo.batches)
    reader = zstandard.ZstdDecompressor().stream_reader(
        undo.folder.read(name), read_across_frames=True
    )
    script = reader.read()
    changed = change(script)
    assert changed != script
    undo.folder.write(name, zstandard.compress(changed))


UNFIT: dict[str, Callable[[bytes], bytes]] = {
    "a line before a table": lambda it: it.replace(b"COPY ", b"\nCOPY ", 1),
    "another table": lambda it: it.replace(b'COPY "public"."logs"', b'COPY "public"."accounts"'),
    "another column": lambda it: it.replace(b'("thread_id", ', b'("thread_idx", ', 1),
    "another setting": lambda it: it.replace(b"SET TimeZone = 'UTC'", b"SET TimeZone = 'CET'"),
    "a statement more": lambda it: it.replace(b"\nCOPY", b"SELECT 1;\n\nCOPY", 1),
    "another statement": lambda it: it.replace(b'UPDATE "public"."invoices"', b'UPDATE "accounts"'),
    "another reference": lambda it: it.replace(
        b'"relation": "invoices"', b'"relation": "accounts"'
    ),
    "a reference without a key": lambda it: it.replace(b'"key": {"id": "1"}', b'"key": {}'),
    "a reference with a number": lambda it: it.replace(b'"key": {"id": "1"}', b'"key": {"id": 1}'),
    "a reference of a list": lambda it: it.replace(b'-- {"table"', b'-- [{"table"'),
    "something behind it": lambda it: it + b"DROP TABLE accounts;\n",
    "no end": lambda it: it[:-1],
    "a row less": lambda it: it.replace(b"FROM stdin;\n", b"FROM stdin;\n\\.\n\n", 1),
    "no tables": lambda it: it.replace(b'"tables": [', b'"tablets": [', 1),
    "tables of another kind": lambda it: it.replace(b'"tables": [', b'"tables": [7, ', 1),
    "a column of another kind": lambda it: it.replace(b'"attnum": 1', b'"attnum": "1"', 1),
    "a batch of another number": lambda it: it.replace(b'"batch": 1', b'"batch": 2', 1),
}


def test_a_file_that_does_not_fit_is_damaged(host: HostWriter, undo: Undo) -> None:
    refer(host)
    (run,) = host.add_runs(1)
    host.execute("INSERT INTO invoices VALUES ('1', %s)", run)
    undo.delete([run])
    before = values_of(host)
    name = file_name(undo.batches)
    whole = undo.folder.read(name)
    for what, change in UNFIT.items():
        with trying(what):
            undo.folder.write(name, whole)
            rewrite(undo, change)
            with pytest.raises(ArchiveError, match="is damaged, so nothing is restored from it"):
                undo.restore([run])
            assert values_of(host) == before


def test_a_file_of_another_database_s_kind_is_a_sentence_in_the_plan(
    host: HostWriter, undo: Undo
) -> None:
    (run,) = host.add_runs(1)
    undo.delete([run])
    rewrite(undo, lambda it: it.replace(b'"host": {', b'"host": {"x": 1, ', 1))
    assert "is damaged" in str(undo.plan().obstacle)


# Format 1, as it was written until its texts had to be in one line.

SETTINGS_1 = """SET client_encoding = 'UTF8';
SET statement_timeout = 0;
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres';
SET TimeZone = 'UTC';
SET bytea_output = 'hex';
SET extra_float_digits = '1';
SET lc_monetary = 'C';
SET xmloption = 'content';
SET array_nulls = 'on';
SET standard_conforming_strings = 'on';
SELECT pg_catalog.set_config('search_path', '"a
b", public', false);
"""
FIRST_1 = (
    "-- Run Manager: rows of deleted runs. Put them back, the last file of an operation first: "
    "zstd -dc FILE | psql -X -v ON_ERROR_STOP=1 --single-transaction DATABASE\n"
)


def test_a_file_of_the_first_format_is_read() -> None:
    rows = {PLANTED_LINES: 1}
    table = ArchivedTable(
        "t", "public", "t\nCOPY x", (ArchivedColumn("thread_id", "text", 1),), 0, rows=rows
    )
    header = RowsHeader("op", 1, "9", {}, '"a\nb", public', (table,), 2, format=1)
    said = {
        "table": "inv",
        "schema": "public",
        "relation": "inv",
        "constraint": "x",
        "run": PLANTED_LINES,
        "key": {"id": "1\n-- {}"},
        "set": {"thread_id": PLANTED_LINES},
        "types": {"id": "text", "thread_id": "text"},
    }
    value = PLANTED_LINES.replace("'", "''")
    reference = (
        f"-- {json.dumps(said)}\n"
        f'UPDATE "public"."inv" SET "thread_id" = \'{value}\''
        ' WHERE "id" = \'1\n-- {}\' AND "thread_id" IS NULL;\n'
    )
    line = PLANTED_LINES.replace("\n", "\\n")
    script = (
        f"{FIRST_1}-- {json.dumps(header.to_json())}\n{SETTINGS_1}SET CONSTRAINTS ALL DEFERRED;\n"
        f'\nCOPY "public"."t\nCOPY x" ("thread_id") FROM stdin;\n{line}\n\\.\n\n'
        f"{reference}{reference}"
    )
    folder = MemoryFolder()
    folder.write(file_name(1), zstandard.compress(script.encode()))
    assert read_header(folder, 1) == header
    with open_rows(folder, 1) as found:
        tables = [(one, list(lines)) for one, lines in found.tables()]
        references = list(found.references())
    assert tables == [(table, [(PLANTED_LINES, f"{line}\n".encode())])]
    assert [(one.key, one.set, one.run) for one in references] == [
        (said["key"], said["set"], PLANTED_LINES)
    ] * 2


def test_a_reference_has_no_line_break_but_at_its_ends() -> None:
    texts = [one.text for one in HOSTILE] + [PLANTED_LINES]
    folder = MemoryFolder()
    with RowsFile(folder, 1) as file:
        for text in texts:
            file.refer(Reference("t", text, text, "x", text, {text: text}, {"a": text, text: text}))
        file.finish(RowsHeader("op", 1, "9", {}, "a\nb"))
    with open_rows(folder, 1) as found:
        assert list(found.tables()) == []
        assert [(one.schema, one.key) for one in found.references()] == [
            (text, {text: text}) for text in texts
        ]
