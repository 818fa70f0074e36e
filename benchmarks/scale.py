"""Everything that has a number to reach, measured on one database and printed as Markdown.

Run as ``python -m benchmarks.scale``, or ``make bench``. ``RUNS`` (1,000,000) and ``BENCH_DIR`` say
which database: see ``benchmarks.big_process``. Ours, the plain way and the floor take turns in one
process on one database; what changes a database is done to a copy. What happens meanwhile is told
on standard error. Slowness is a verdict; another answer than the plain way's ends with 1.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks import (
    behind_views,
    cases,
    deleting,
    memory,
    over_http,
    planning,
    reading,
    sessions,
    triage,
    undoing,
)
from benchmarks.big_host import cloned, open_host
from benchmarks.big_process import BENCH_DIR, RUNS
from benchmarks.reading import open_reader
from benchmarks.surroundings import create_advised, environment
from benchmarks.verdicts import Figures, Row, Target, table, table_of_pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runmanager.demo.postgres import EmbeddedPostgres

_LEGEND = f"""
- Medians of {reading.ROUNDS} rounds ({reading.NAIVE_ROUNDS} of the plain way), all of it warm. A
  verdict on a ratio is on that of two medians. The floor is 50 rows by known primary keys with the
  columns of the list: one number, the median of all that were read beside the others.
- Ours is what the dashboard calls (`pages.browse`), in the transaction that it opens, to its end:
  BEGIN, time limits, statements, records, COMMIT. So is the floor. The check that who asks is an
  admin is in neither, and no drawing.
- A page of ours comes with the total that is shown with it: above 10,000 what the planner believes,
  on a page that was turned to that of the page before. A page of the plain way is a `count(*)` and
  a sorted `OFFSET` with two joins.
- Where both answer in full, the ids are compared, and what is counted; a rare word's first answer
  may be a part, a sample says that it is one.
- The plain deletion is five DELETEs a run and a COMMIT, by psycopg. Ours is a plan that is made
  already, to its receipt: {deleting.OURS:,} runs a round, the plain way {deleting.NAIVE}. Every
  COMMIT waits for the disk.
"""


def main() -> int:
    """Measure, print, and say whether every answer was right."""
    server, database = open_host(BENCH_DIR, RUNS)
    with server:
        print(environment(database))
        with open_reader(database, RUNS) as reader:
            rows = reading.measure(reader, cases.existing_indexes(reader))
            _tell("triage")
            rows += reading.measure(reader, triage.with_existing_indexes(reader))
            rows.append(triage.bars(reader))
        _tell("plans")
        rows += planning.measure_all(database, RUNS)
        # Before the database is copied: what is then on its way to the disk slows down the rest.
        rows += over_http.measure()
        _tell("memory")
        held = memory.measure()
        _tell("sessions")
        load = sessions.measure(api_clients=0)
        _tell("sessions beside API clients")
        with_clients = sessions.measure()
        rows += _rows(held, load, with_clients)
        changed, notes = _changed(server)
        rows += changed
        _tell("undoing")
        with cloned(server, RUNS) as copy:
            rows += undoing.measure(copy, RUNS)
        _tell("views")
        pairs = behind_views.measure(server)
    print(table(rows), _LEGEND, *notes, sep="\n")
    print("", behind_views.LEGEND, table_of_pairs(pairs), sep="\n")
    _print_lines(f"Memory, one admin, {memory.VIEWS} pages of {memory.ROWS} rows", held.lines)
    _print_lines(f"Sessions, {sessions.SECONDS:.0f} s", load.lines)
    _print_lines(f"Sessions beside {sessions.API_CLIENTS} API clients", with_clients.lines)
    wrong = [row.wrong for row in rows if row.wrong]
    wrong += [pair.wrong for pair in pairs if pair.wrong]
    _print_lines("WRONG ANSWERS", wrong) if wrong else None
    return 1 if wrong or load.wrong or with_clients.wrong else 0


def _rows(held: memory.Held, load: sessions.Load, with_clients: sessions.Load) -> list[Row]:
    return [
        Row(
            f"memory after {memory.VIEWS} pages of {memory.ROWS} rows",
            Figures(held.resident),
            Target(at_most=memory.TARGET, unit="MB"),
        ),
        Row(
            f"{sessions.SESSIONS} sessions, 95th percentile",
            Figures(1000 * load.p95),
            Target(at_most=1000 * sessions.TARGET),
            has_failed=not load.is_met,
        ),
        Row(
            f"the same beside {sessions.API_CLIENTS} API clients that never pause",
            Figures(1000 * with_clients.p95),
            Target(at_most=1000 * sessions.TARGET),
            has_failed=not with_clients.is_met,
        ),
    ]


def _changed(server: EmbeddedPostgres) -> tuple[list[Row], list[str]]:
    """What is deleted from a copy of the database, and what indexes make of the copy."""
    _tell("copying the database")
    with cloned(server, RUNS) as copy:
        _tell("deleting")
        with open_reader(copy, RUNS) as reader:
            host = reader.host
        rows, trip = deleting.measure(copy, host, RUNS)
        notes = [f"- The network between added {trip:.2f} ms to a round trip.", ""]
        _tell("indexes")
        notes += [
            "| index | size | built in |",
            "|---|---:|---:|",
            *create_advised(copy, is_trigram=True),
        ]
        with open_reader(copy, RUNS) as reader:
            found = reading.measure(reader, cases.trigram_indexes(reader))
        rows += _named(found, "with trigram indexes")
        notes += create_advised(copy, is_trigram=False)
        with open_reader(copy, RUNS) as reader:
            found = reading.measure(reader, cases.advised_indexes(reader))
            _tell("triage with indexes")
            found += reading.measure(reader, triage.with_advised_indexes(reader))
        rows += _named(found, "with all advised")
    return rows, notes


def _named(rows: Sequence[Row], how: str) -> list[Row]:
    return [replace(row, what=f"{row.what}, {how}") for row in rows]


def _print_lines(title: str, lines: Sequence[str]) -> None:
    print(f"\n{title}:", "```", *lines, "```", sep="\n")


def _tell(what: str) -> None:
    sys.stderr.write(f"{what}\n")


if __name__ == "__main__":
    sys.exit(main())
