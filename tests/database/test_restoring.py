"""Runs come back as they were: the same bytes in every table, and nothing beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runmanager.restoring import reasons
from tests.conftest import every_shape
from tests.hosts import connect
from tests.restoring import Undo, undoing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.hosts import HostWriter
    from tests.roles import Roles

MESSAGES = """
    CREATE TABLE messages (
        id int PRIMARY KEY, thread_id text REFERENCES run_metadata ON DELETE CASCADE);
    CREATE TABLE tool_calls (
        id int PRIMARY KEY, message int REFERENCES messages ON DELETE CASCADE, said text);
    CREATE TABLE results (call int REFERENCES tool_calls ON DELETE CASCADE, said text);
"""
TYPES = {
    "numeric": ["1.50", "NaN", "-0.000", "12345678901234567890.123456789"],
    "double precision": ["0.1", "-0", "Infinity", "NaN", "1e-300", "0.30000000000000004"],
    "real": ["0.1", "3.4028235e+38"],
    "money": ["12.34", "-1234567.89"],
    "timestamptz": ["infinity", "-infinity", "2026-03-29 01:30:00.123456+00", "0044-03-15 BC"],
    "timestamp": ["2026-03-29 02:30:00", "294276-12-31 23:59:59"],
    "date": ["infinity", "4713-01-01 BC", "2026-02-28"],
    "time with time zone": ["12:00:00.5+05:30"],
    "interval": ["1 year -2 mons 3 days -04:05:06.7", "00:00:00"],
    "bytea": [r"\x00ff5c0a09", r"\x"],
    "boolean": ["t", "f"],
    "char(5)": ["ab", "     "],
    "varchar(3)": ["ü🚀\\"],
    "text": ["", r"\N", r"\.", "tab\tand\nline\r\\", "\u2028"],
    "json": ['{"a":  1, "a": 2}'],
    "jsonb": ['{"a": 1.10, "b": "\\u0001"}', "null"],
    "xml": ["<a>&lt;</a>", "text only"],
    "uuid": ["00000000-0000-0000-0000-00000000000a"],
    "inet": ["10.0.0.1/8", "::1"],
    "cidr": ["10.0.0.0/8"],
    "macaddr": ["08:00:2b:01:02:03"],
    "bit(3)": ["101"],
    "bit varying": ["1", ""],
    "point": ["(1.5,-2)"],
    "polygon": ["((0,0),(1,1),(1,0))"],
    "tsvector": ["'a':1A 'b''c':2"],
    "tsquery": ["'a' & !'b'"],
    "int4range": ["[1,5)", "empty"],
    "nummultirange": ["{[1.0,2.0),[5,)}"],
    "text[]": ["{}", '{a,NULL,"NULL","b,\\"c\\\\"}', "[0:1]={x,y}", "{{1,2},{3,4}}"],
    "oid": ["4294967295"],
    "pg_lsn": ["16/B374D848"],
    "txid_snapshot": ["10:20:10,14"],
    "mood": ["so so"],
    "two": ['(1,"a,b")', "(,)"],
    "two[]": ['{"(1,x)"}'],
    "positive": ["7"],
    '"char"': ["x"],
    "name": ["a name"],
    "regclass": ["run_metadata"],
}


def has_xml(host: HostWriter) -> bool:
    """Whether the server knows XML; the embedded one does not."""
    return bool(host.execute("SELECT 1 FROM pg_config() WHERE setting LIKE '%--with-libxml%'"))


@pytest.fixture
def undo(host: HostWriter) -> Iterator[Undo]:
    """A deletion on the test's host that is to be undone."""
    with undoing(host.url) as undone:
        yield undone


@pytest.fixture
def undo_named(host: HostWriter) -> Iterator[Undo]:
    """The same where the settings name a further trace table, ``notes``."""
    with undoing(host.url, ("notes",)) as undone:
        yield undone


@every_shape
def test_what_was_deleted_is_there_again_as_it_was(host: HostWriter, undo: Undo) -> None:
    runs = host.add_runs(5, user="kate", workspace="Ops")
    host.add_runs(2)
    before = host.contents()
    undo.delete(runs)
    assert all(host.is_gone(run) for run in runs)
    outcome = undo.restore(runs)
    assert host.contents() == before
    assert sorted(outcome.done) == sorted(runs)
    assert outcome.failed == {}
    assert outcome.told == ()
    assert outcome.titles == dict.fromkeys(runs, "Order processing")
    for run in runs:
        assert dict(outcome.done[run]) == {t: n for t, n in host.counts(run).items() if n}


@every_shape
def test_some_of_the_runs_come_back_and_no_row_of_the_others(host: HostWriter, undo: Undo) -> None:
    runs = host.add_runs(5)
    chosen = [runs[1], runs[3]]
    others = [run for run in runs if run not in chosen]
    before = host.contents(without=others)
    undo.delete(runs)
    outcome = undo.restore(chosen)
    assert sorted(outcome.done) == sorted(chosen)
    assert host.contents() == before
    assert sorted(undo.restore(others).done) == sorted(others)


def test_values_of_every_type_come_back_as_they_were(host: HostWriter, undo_named: Undo) -> None:
    host.execute(
        "CREATE TYPE mood AS ENUM ('sad', 'so so'); CREATE TYPE two AS (a int, b text);"
        "CREATE DOMAIN positive AS int CHECK (VALUE > 0)"
    )
    types = {kind: TYPES[kind] for kind in TYPES if kind != "xml" or has_xml(host)}
    columns = ", ".join(f"c{number} {kind}" for number, kind in enumerate(types))
    host.execute(f"CREATE TABLE notes (n serial, thread_id text, {columns})")
    (run,) = host.add_runs(1)
    for number, (kind, values) in enumerate(types.items()):
        for value in values:
            host.execute(
                f"INSERT INTO notes (thread_id, c{number}) VALUES (%s, %s::text::{kind})",  # noqa: S608
                run,
                value,
            )
    before = host.contents()
    assert len(before["notes"]) == sum(map(len, types.values()))
    undo_named.delete([run])
    assert host.contents()["notes"] == []
    outcome = undo_named.restore([run])
    assert (outcome.failed, host.contents()) == ({}, before)


def test_settings_of_the_role_that_print_values_otherwise_change_nothing(
    host: HostWriter, roles: Roles
) -> None:
    role = roles.bare(options="SUPERUSER")
    for setting in (
        "datestyle = 'German, DMY'",
        "intervalstyle = 'sql_standard'",
        "extra_float_digits = -10",
        "bytea_output = 'escape'",
        "timezone = 'Asia/Kolkata'",
        "xmloption = 'document'",
    ):
        host.execute(f"ALTER ROLE {role} SET {setting}")
    host.execute(
        "CREATE TABLE notes (thread_id text, f float8, d timestamptz, i interval, b bytea)"
    )
    (run,) = host.add_runs(1)
    host.execute(
        "INSERT INTO notes VALUES (%s, 1.0/3, '2026-02-03 04:05+00', '1 mon -1 day', '\\x5c00')",
        run,
    )
    before = host.contents()
    with undoing(roles.url(role), ("notes",)) as undo:
        undo.delete([run])
        outcome = undo.restore([run])
    assert (outcome.failed, host.contents()) == ({}, before)


@pytest.mark.parametrize("again", ["run", "log", "checkpoint"])
def test_a_run_that_exists_again_stays_as_it_is_and_is_named(
    host: HostWriter, undo: Undo, again: str
) -> None:
    runs = host.add_runs(3)
    undo.delete(runs)
    if again == "run":
        host.add_run(runs[1], name="Another")
    elif again == "log":
        host.execute("INSERT INTO logs (thread_id, message) VALUES (%s, 'late')", runs[1])
    else:
        host.execute(
            "INSERT INTO checkpoints (thread_id, checkpoint_id, checkpoint) VALUES (%s, 'x', '{}')",
            runs[1],
        )
    there = host.counts(runs[1])
    outcome = undo.restore(runs)
    table = {"run": "run_metadata", "log": "logs", "checkpoint": "checkpoints"}[again]
    assert outcome.failed == {runs[1]: reasons.exists(table)}
    assert sorted(outcome.done) == [runs[0], runs[2]]
    assert host.counts(runs[1]) == there


def test_a_second_restore_refuses_every_run(host: HostWriter, undo: Undo) -> None:
    runs = host.add_runs(3)
    undo.delete(runs)
    undo.restore(runs)
    before = host.contents()
    outcome = undo.restore(runs)
    assert (outcome.done, sorted(outcome.failed)) == ({}, runs)
    assert host.contents() == before


def test_orphan_rows_come_back_without_a_run(host: HostWriter, undo: Undo) -> None:
    host.add_traces("orphan")
    before = host.contents()
    undo.delete(["orphan"])
    outcome = undo.restore(["orphan"])
    assert host.contents() == before
    assert outcome.orphans == {"orphan"}


def test_rows_that_hold_no_id_come_back_with_their_run_alone(host: HostWriter, undo: Undo) -> None:
    host.execute(MESSAGES)
    runs = host.add_runs(4)
    for number, run in enumerate(runs):
        host.execute(
            "INSERT INTO messages SELECT %s + n, %s FROM generate_series(0, 2) n", number * 10, run
        )
    host.execute(
        "INSERT INTO tool_calls SELECT id * 10 + n, id, 'x' FROM messages, generate_series(0, 1) n"
    )
    host.execute("INSERT INTO results SELECT id, 'same' FROM tool_calls, generate_series(1, 2)")
    before = host.contents()
    undo.delete(runs)
    assert host.contents()["results"] == []
    first = undo.restore([runs[2]])
    assert first.done[runs[2]]["results"] == 12
    assert len(host.contents()["results"]) == 12
    second = undo.restore([runs[0], runs[1], runs[3]])
    assert (first.failed, second.failed) == ({}, {})
    assert host.contents() == before


def test_tables_that_refer_to_each_other_come_back_together(host: HostWriter, undo: Undo) -> None:
    host.execute(
        "CREATE TABLE a (id int PRIMARY KEY, thread_id text REFERENCES run_metadata"
        "  ON DELETE CASCADE, b int);"
        "CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a ON DELETE CASCADE,"
        "  up int REFERENCES b ON DELETE CASCADE);"
        "ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b ON DELETE CASCADE"
    )
    runs = host.add_runs(2)
    host.execute("INSERT INTO a VALUES (1, %s), (2, %s)", *runs)
    host.execute("INSERT INTO b VALUES (12, 2, NULL), (11, 1, 12)")
    host.execute("UPDATE a SET b = 10 + id")
    before = host.contents()
    undo.delete(runs)
    assert (host.contents()["a"], host.contents()["b"]) == ([], [])
    outcome = undo.restore(runs)
    assert (outcome.failed, host.contents()) == ({}, before)


def test_computed_columns_and_identities_come_back(host: HostWriter, undo_named: Undo) -> None:
    host.execute(
        "CREATE TABLE notes (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, thread_id text,"
        " said text, length int GENERATED ALWAYS AS (length(said)) STORED)"
    )
    (run,) = host.add_runs(1)
    host.execute(
        "INSERT INTO notes (thread_id, said) SELECT %s, 'abc' FROM generate_series(1, 3)", run
    )
    host.execute("DELETE FROM notes WHERE id = 1")
    before = host.contents()
    undo_named.delete([run])
    outcome = undo_named.restore([run])
    assert (outcome.failed, host.contents()) == ({}, before)


def test_rows_come_back_into_partitions(host: HostWriter, undo_named: Undo) -> None:
    host.execute(
        "CREATE TABLE notes (thread_id text, day date) PARTITION BY RANGE (day);"
        "CREATE TABLE notes_1 PARTITION OF notes FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');"
        "CREATE TABLE notes_2 PARTITION OF notes FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');"
    )
    (run,) = host.add_runs(1)
    host.execute("INSERT INTO notes VALUES (%s, '2026-01-15'), (%s, '2026-02-15')", run, run)
    before = host.contents()
    undo_named.delete([run])
    outcome = undo_named.restore([run])
    assert (outcome.failed, host.contents()) == ({}, before)
    assert host.execute("SELECT count(*) FROM notes_2") == [(1,)]


@pytest.mark.parametrize("kind", ["char(12)", "name", "citext_like"])
def test_ids_of_a_type_that_is_printed_otherwise_come_back(host: HostWriter, kind: str) -> None:
    host.execute("CREATE DOMAIN citext_like AS varchar(20)")
    host.execute(f"ALTER TABLE run_metadata ALTER thread_id TYPE {kind}")
    host.execute(f"ALTER TABLE logs ALTER thread_id TYPE {kind}")
    runs = host.add_runs(3)
    before = host.contents()
    with undoing(host.url) as undo:
        undo.delete(runs)
        assert sorted(undo.restore(runs[:1]).done) == runs[:1]
        outcome = undo.restore(runs[1:])
    assert (outcome.failed, host.contents()) == ({}, before)


def test_ids_with_odd_characters_come_back(host: HostWriter, undo: Undo) -> None:
    runs = [host.add_run(one) for one in ("a\tb", "\\N", "c\nd", "é'\"%s", "\\.")]
    for run in runs:
        host.add_traces(run)
    before = host.contents()
    undo.delete(runs)
    assert sorted(undo.restore(runs[:2]).done) == sorted(runs[:2])
    assert sorted(undo.restore(runs[2:]).done) == sorted(runs[2:])
    assert host.contents() == before


def test_a_sequence_that_a_restored_number_passes_is_moved_on(host: HostWriter, undo: Undo) -> None:
    (run,) = host.add_runs(1)
    host.execute("UPDATE logs SET id = 500")
    undo.delete([run])
    outcome = undo.restore([run])
    assert outcome.told == ()
    assert host.execute("SELECT nextval('logs_id_seq')") == [(501,)]


def test_a_sequence_is_never_moved_back(host: HostWriter, undo: Undo) -> None:
    (run,) = host.add_runs(1)
    host.execute("SELECT setval('logs_id_seq', 900)")
    undo.delete([run])
    undo.restore([run])
    assert host.execute("SELECT nextval('logs_id_seq')") == [(901,)]


def test_a_row_that_another_session_adds_meanwhile_is_not_touched(
    host: HostWriter, undo: Undo
) -> None:
    first, second = host.add_runs(2)
    undo.delete([first, second])
    with connect(host.url) as other:
        other.execute("BEGIN")
        other.execute("INSERT INTO run_metadata (thread_id, run_name) VALUES (%s, 'new')", [first])
        outcome = undo.restore([first, second])
        assert outcome.failed == {first: reasons.LOCKED}
        other.execute("COMMIT")
    assert list(outcome.done) == [second]
    assert host.execute("SELECT run_name FROM run_metadata WHERE thread_id = %s", first) == [
        ("new",)
    ]
    assert host.count("logs", first) == 0
