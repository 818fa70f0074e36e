"""Rows with a column of every type that PostgreSQL has come back as they were, bit by bit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from tests.archives import Batches, values_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.hosts import HostWriter

ODD = "a\tb\\c\\.\\N\r\n'\"%s{},()[] über 🚀 \x01"
# What values each is tried with, as PostgreSQL reads them. Arrays of all of these are made too.
VALUES = {
    "boolean": ["t", "f"],
    "bytea": ["", "\\x00ff5c2e0a09", "\\x5c2e0a"],
    '"char"': ["a", "\\", "\\377"],
    "name": ["x", ODD],
    "bigint": ["9223372036854775807", "-9223372036854775808", "0"],
    "smallint": ["-32768"],
    "integer": ["2147483647", "-2147483648"],
    "int2vector": ["1 2 3"],
    "oidvector": ["1 4294967295"],
    "regproc": ["pg_catalog.now", "-"],
    "regprocedure": ["pg_catalog.abs(integer)"],
    "regoper": ["pg_catalog.||/"],
    "regoperator": ["pg_catalog.+(integer,integer)"],
    "regclass": ["run_metadata", "pg_catalog.pg_class", "4294967295"],
    "regtype": ["integer", "mood"],
    "regconfig": ["pg_catalog.english"],
    "regdictionary": ["pg_catalog.simple"],
    "regnamespace": ["public"],
    "regrole": ["pg_monitor"],
    "regcollation": ['"C"'],
    "text": ["", ODD, "\\.", "\\N", "NULL", " x "],
    "oid": ["4294967295"],
    "tid": ["(4294967295,65535)"],
    "xid": ["4294967295"],
    "xid8": ["18446744073709551615"],
    "cid": ["1"],
    "json": ['{"a":  1, "a": 2, "b": "\\u0041\\n"}', "null", "1e400"],
    "jsonb": ['{"b": [1.10, 1e400, "\\ud83d\\ude80\\t"], "": null}', '"\\\\."'],
    "jsonpath": ['$."a"[*] ? (@ > 1)'],
    "xml": ["<a b='1'>&amp;\t</a>", "no document, only text", "<a/><b/>"],
    "point": ["(0.1,-1e300)", "(NaN,Infinity)"],
    "lseg": ["[(0.1,2),(3,4)]"],
    "path": ["((0.1,2),(3,4))", "[(0.1,2),(3,4)]"],
    "box": ["(3,4),(0.1,2)"],
    "polygon": ["((0.1,2),(3,4),(5,6))"],
    "line": ["{0.1,2,3}"],
    "circle": ["<(0.1,2),3>"],
    "real": ["3.4028235e38", "1e-45", "0.1", "-0", "NaN", "Infinity", "-Infinity", "16777217"],
    "double precision": [
        *("1.7976931348623157e308", "5e-324", "0.1", "0.30000000000000004", "-0"),
        *("NaN", "Infinity", "-Infinity"),
    ],
    "money": ["-92233720368547758.08", "92233720368547758.07", "0.01"],
    "macaddr": ["08:00:2b:01:02:03"],
    "macaddr8": ["08:00:2b:01:02:03:04:05"],
    "inet": ["192.168.1.5", "192.168.1.5/24", "::1/64"],
    "cidr": ["192.168.1.0/24", "10.0.0.0/8"],
    "aclitem": ["=r/runmanager"],
    "character": ["x"],
    "character(5)": ["ab", "  b"],
    "character varying": ["", ODD],
    "character varying(3)": ["a  "],
    "date": ["2026-11-26", "4713-01-01 BC", "5874897-12-31", "infinity", "-infinity"],
    "time": ["00:00:00", "24:00:00", "23:59:59.999999"],
    "timetz": ["00:00:00+15:59", "24:00:00-15:59"],
    "timestamp": ["4713-01-01 BC", "294276-12-31 23:59:59.999999", "infinity", "-infinity"],
    "timestamptz": ["2026-03-29 01:30:00+00", "0001-01-01 BC", "infinity", "-infinity"],
    "interval": [
        *("1 year -2 mons 3 days -04:05:06.789", "-178000000 years", "1 mon -1 day"),
        "-00:00:00.000001",
    ],
    "bit": ["1"],
    "bit(5)": ["10101"],
    "bit varying": ["", "1" * 70],
    "numeric": [
        *("NaN", "Infinity", "-Infinity", "0.000", "-1.10", "1e-16383"),
        "9" * 400 + "." + "9" * 400,
    ],
    "numeric(10,2)": ["12345678.90", "NaN"],
    "refcursor": ["c"],
    "uuid": ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"],
    "tsvector": ["'a\\\\b':1A,2 'it''s':3 'tab\tbed'", ""],
    "tsquery": ["'a' & !('b' | 'c':*A)", ""],
    "txid_snapshot": ["10:20:10,14"],
    "pg_snapshot": ["10:20:10,14"],
    "pg_lsn": ["FFFFFFFF/FFFFFFFF"],
    "int4range": ["[1,5)", "empty", "(,)", "(,5)"],
    "int8range": ["[1,)"],
    "numrange": ["(0.10,Infinity]"],
    "tsrange": ['["2026-01-01 00:00:00",infinity)'],
    "tstzrange": ['["2026-01-01 00:00:00+00",)'],
    "daterange": ["[2026-01-01,infinity)"],
    "int4multirange": ["{[1,2),[5,)}", "{}"],
    "int8multirange": ["{(,)}"],
    "nummultirange": ["{[0.1,0.2]}"],
    "tsmultirange": ['{["2026-01-01 00:00:00","2026-01-02 00:00:00")}'],
    "tstzmultirange": ['{["2026-01-01 00:00:00+00",)}'],
    "datemultirange": ["{[2026-01-01,2026-02-01)}"],
    # The host's own.
    "mood": ["so so", 'it\'s\t"ok"'],
    "pair": ['("a\tb\\\\",)', '(,"1.10")', '("","NaN")'],
    "short": ["abc"],
    "must": ["", "x"],
    "floats": ["[0.1,0.30000000000000004)"],
}
MADE = """
    CREATE TYPE mood AS ENUM ('so so', E'it''s\\t"ok"');
    CREATE TYPE pair AS (a text, "b ""c""\n" numeric);
    CREATE DOMAIN short AS varchar(3) CHECK (length(VALUE) < 4);
    CREATE DOMAIN must AS short NOT NULL;
    CREATE TYPE floats AS RANGE (subtype = float8);
"""
# No column has these, or nobody can put a value into one.
NOT_FOR_VALUES = {
    *("gtsvector", "pg_node_tree", "pg_ndistinct", "pg_dependencies", "pg_mcv_list"),
    *("pg_brin_bloom_summary", "pg_brin_minmax_multi_summary", "pg_ddl_command"),
}
# What a host can have made its default.
DEFAULTS = {
    "as it is": {},
    "another": {
        "extra_float_digits": "0",
        "DateStyle": "German",
        "IntervalStyle": "sql_standard",
        "TimeZone": "Asia/Kathmandu",
        "bytea_output": "escape",
        "xmloption": "document",
        "standard_conforming_strings": "off",
        "quote_all_identifiers": "on",
    },
    "few digits": {
        "extra_float_digits": "-15",
        "DateStyle": "SQL, DMY",
        "IntervalStyle": "iso_8601",
    },
}


def kinds(host: HostWriter) -> dict[str, list[str]]:
    """The values of each type that this server knows: not every one is built with XML."""
    try:
        host.execute("SELECT '<a/>'::xml")
    except psycopg.errors.FeatureNotSupported:
        return {kind: values for kind, values in VALUES.items() if kind != "xml"}
    return VALUES


def add_types(host: HostWriter, run: str) -> None:
    """A table of the host's with a column for each type, and an array of it, filled."""
    host.execute(MADE)
    known = kinds(host)
    columns = sql.SQL(", ").join(
        sql.SQL(f"c{number} {kind}, a{number} {kind}[]") for number, kind in enumerate(known)
    )
    host.connection.execute(
        sql.SQL(
            "CREATE TABLE every_type (thread_id text REFERENCES run_metadata ON DELETE CASCADE, {})"
        ).format(columns)
    )
    most = max(map(len, known.values()))
    for row in range(most):
        names = [sql.SQL("thread_id")]
        values: list[sql.Composable] = [sql.Literal(run)]
        for number, (kind, those) in enumerate(known.items()):
            value = sql.SQL("{}::{}").format(sql.Literal(those[row % len(those)]), sql.SQL(kind))
            names += [sql.SQL(f"c{number}"), sql.SQL(f"a{number}")]
            nothing = sql.SQL("" if kind == "must" else ", NULL")
            values += [value, sql.SQL("ARRAY[{}{}]").format(value, nothing)]
        host.connection.execute(
            sql.SQL("INSERT INTO every_type ({}) VALUES ({})").format(
                sql.SQL(", ").join(names), sql.SQL(", ").join(values)
            )
        )
    # And a row of NULLs.
    (must,) = (f"c{number}" for number, kind in enumerate(known) if kind == "must")
    host.execute(f"INSERT INTO every_type (thread_id, {must}) VALUES (%s, 'x')", run)  # noqa: S608


def test_every_type_that_a_column_can_have_is_tried(host: HostWriter) -> None:
    host.execute(MADE)
    tried = {
        name
        for kind in VALUES
        for (name,) in host.execute("SELECT typname FROM pg_type WHERE oid = %s::regtype", kind)
    }
    known = {
        name
        for (name,) in host.execute(
            "SELECT typname FROM pg_type WHERE typtype IN ('b', 'r', 'm', 'e', 'd')"
            " AND typelem = 0 AND typcategory <> 'A' AND typnamespace ="
            " 'pg_catalog'::regnamespace"
        )
    }
    assert known - NOT_FOR_VALUES - tried == set()


@pytest.mark.parametrize("defaults", DEFAULTS)
@pytest.mark.parametrize("is_circle", [False, True], ids=["alone", "in a circle"])
def test_a_column_of_every_type_comes_back_bit_by_bit(
    defaults: str, is_circle: bool, host: HostWriter, tmp_path: Path
) -> None:
    (run,) = host.add_runs(1)
    add_types(host, run)
    if is_circle:
        host.execute(
            "ALTER TABLE every_type ADD id serial UNIQUE;"
            "ALTER TABLE run_metadata ADD last int REFERENCES every_type (id) DEFERRABLE;"
            "UPDATE run_metadata SET last = 1"
        )
    database = host.connection.info.dbname
    for name, value in DEFAULTS[defaults].items():
        host.execute(f"ALTER DATABASE {database} SET {name} = '{value}'")
    before = values_of(host)
    assert len(before["public.every_type"]) == 9
    batches = Batches(host, tmp_path / "archive")
    assert batches.delete([run])["every_type"] == 9
    assert values_of(host)["public.every_type"] == []
    # Run Manager itself cannot read a host where this is off; psql reads the file all the same.
    host.execute(f"ALTER DATABASE {database} SET array_nulls = off")
    batches.restore_by_psql()
    assert values_of(host) == before


@pytest.mark.parametrize("name", ["extra_float_digits", "xmloption"])
def test_the_settings_are_needed(
    name: str, host: HostWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from runmanager.archive import script
    from runmanager.archive.rows_format import SETTINGS
    from runmanager.deletion import forms

    if name == "xmloption" and "xml" not in kinds(host):
        pytest.skip("this server is built without XML")
    (run,) = host.add_runs(1)
    add_types(host, run)
    database = host.connection.info.dbname
    host.execute(f"ALTER DATABASE {database} SET {name} = {DEFAULTS['another'][name]}")
    before = values_of(host)
    few = {one: value for one, value in SETTINGS.items() if one != name}
    monkeypatch.setattr(forms, "SETTINGS", few)
    monkeypatch.setattr(script, "SETTINGS", few)
    forms._settings.cache_clear()
    batches = Batches(host, tmp_path / "archive")
    batches.delete([run])
    forms._settings.cache_clear()
    try:
        batches.restore_by_psql()
    except AssertionError:
        return
    assert values_of(host) != before
