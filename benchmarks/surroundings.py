"""What is measured on: the machine and its server, and the indexes that are advised."""

from __future__ import annotations

import os
import platform
import time
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

from benchmarks.big_host import SERVER
from benchmarks.big_process import RUNS
from benchmarks.reading import open_reader
from runmanager.advice.catalog import read_catalog
from runmanager.advice.findings import Benefit
from runmanager.advice.sql import advise
from tests.hosts import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa


def create_advised(url: sa.URL, *, is_trigram: bool) -> Iterator[str]:
    """Create what ``python -m runmanager advise`` prints; a line of a table for each index."""
    with open_reader(url, RUNS) as reader, reader.database.read() as connection:
        found, _notes = advise(reader.host, read_catalog(connection, reader.host))
    statements = [
        statement
        for one in found
        if (one.benefit is Benefit.SEARCHING) is is_trigram
        for statement in one.statements
    ]
    sizes = "SELECT oid, relname, pg_size_pretty(pg_relation_size(oid)) FROM pg_class"
    with connect(url) as connection:
        known = {oid for oid, _name, _size in connection.execute(sizes)}
        for statement in statements:
            began = time.monotonic()
            connection.execute(statement.encode())
            took = time.monotonic() - began
            for oid, name, size in connection.execute(f"{sizes} WHERE relkind = 'i'"):
                if oid not in known:
                    known.add(oid)
                    yield f"| `{name}` | {size} | {took:.1f} s |"
        connection.execute("VACUUM (ANALYZE)")


def environment(url: sa.URL) -> str:
    """The head of a measurement: when and where it was made."""
    packages = ("sqlalchemy", "psycopg", "streamlit", "fastapi")
    names = [*SERVER, "work_mem", "max_parallel_workers_per_gather"]
    with connect(url) as connection:
        settings = [
            f"{name} {connection.execute('SELECT current_setting(%s)', [name]).fetchall()[0][0]}"
            for name in names
        ]
        server = connection.execute("SHOW server_version").fetchall()[0][0]
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    machine = (
        f"{os.cpu_count()} cores, {gigabytes:.0f} GB, {platform.system()} {platform.machine()}"
    )
    libraries = ", ".join(f"{package} {version(package)}" for package in packages)
    lines = [
        f"## {RUNS:,} runs",
        "",
        f"- {datetime.now(UTC):%d %B %Y}; {machine}",
        f"- PostgreSQL {server}, Python {platform.python_version()}, {libraries}",
        f"- PostgreSQL's settings: {', '.join(settings)}",
        "",
    ]
    return "\n".join(lines)
