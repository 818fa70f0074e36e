"""A host that is described by views beside the same host on its tables: the same calls, in turns.

Run as ``python -m benchmarks.behind_views``, or as a part of ``benchmarks.scale``. Both are copies
of one database, which are thrown away. In the one the tables and their columns have other names,
and plain views in a schema ``runmanager``, which the ``search_path`` finds first, show them as Run
Manager knows them.
"""

from __future__ import annotations

import hashlib
import statistics
import sys
import time
import uuid
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.big_host import ADMIN, RUNS_WITH_TRACES, SMALL_USER, cloned, open_host
from benchmarks.big_process import BENCH_DIR, RUNS
from benchmarks.cases import BIG_USER, EVERYTHING, FIRST
from benchmarks.reading import Answer, Reader, ids, open_reader
from benchmarks.verdicts import Pair, table_of_pairs
from runmanager import accounts
from runmanager.archive.local_place import LocalPlace
from runmanager.deletion import plan_deletion
from runmanager.filters import RunFilter
from runmanager.host.catalog import read_host
from runmanager.host.values import Reading
from runmanager.host.versions import read_version
from runmanager.paging import PageRequest
from runmanager.queries.catalog.hints import read_hints
from runmanager.queries.run import detail
from runmanager.records import Actor
from tests.hosts import connect
from tests.operations import execute_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from runmanager.demo.postgres import EmbeddedPostgres

ROUNDS = 201
# Of what takes long.
FEW_ROUNDS = 15
PLANNED = DELETED = 200
TARGET = 1.2
LEGEND = f"""\
The same host on its tables, and on other tables behind plain views that rename their columns.
Medians of {ROUNDS} rounds ({FEW_ROUNDS} of opening, plan, deletion and reading the schema) in which
both have their turn; the ratio is the median of the rounds' own, so what else the machine does
weighs on both. The answers are compared. Who asks is not checked, but in the line that says so.
"""
_ADMIN = Actor(ADMIN, "ada")
_VIEWS = """
    ALTER TABLE run_metadata RENAME TO thread;
    ALTER TABLE thread RENAME thread_id TO id;
    ALTER TABLE thread RENAME run_name TO title;
    ALTER TABLE thread RENAME created_at TO made_at;
    ALTER TABLE thread RENAME user_id TO owner_id;
    ALTER TABLE thread RENAME workspace_id TO team_id;
    ALTER TABLE users RENAME TO person;
    ALTER TABLE person RENAME username TO nickname;
    ALTER TABLE workspaces RENAME TO team;
    ALTER TABLE team RENAME name TO label;
    CREATE SCHEMA runmanager;
    CREATE VIEW runmanager.run_metadata AS
        SELECT id AS thread_id, title AS run_name, status, made_at AS created_at, completed_at,
               owner_id AS user_id, team_id AS workspace_id, error_message, parent_thread_id,
               llm_model, sop, initial_data, metadata
        FROM thread;
    CREATE VIEW runmanager.users AS
        SELECT id, nickname AS username, password_hash, is_admin, is_active FROM person;
    CREATE VIEW runmanager.workspaces AS SELECT id, label AS name FROM team;
"""


@dataclass(frozen=True)
class _Call:
    """What is called on both hosts. ``prepare`` is not timed; what it returns is called once."""

    what: str
    prepare: Callable[[Reader, int], Callable[[], Answer]]
    at_most: float | None = None
    rounds: int = ROUNDS


def measure(server: EmbeddedPostgres) -> list[Pair]:
    """Every call in turns on both hosts, which begin by turns.

    What else the machine does then slows both alike: the ratio is the median of the rounds' own.
    """
    with ExitStack() as stack:
        tables = stack.enter_context(cloned(server, RUNS, "tables"))
        views = stack.enter_context(cloned(server, RUNS, "views"))
        with connect(views) as connection:
            connection.execute(_VIEWS)
        path = {"options": "-csearch_path=runmanager,public"}
        readers = (
            stack.enter_context(open_reader(tables, RUNS)),
            stack.enter_context(open_reader(views.update_query_dict(path), RUNS)),
        )
        return [_measured(call, readers) for call in _calls()]


def _measured(call: _Call, readers: tuple[Reader, Reader]) -> Pair:
    sys.stderr.write(f"{call.what}\n")
    times: tuple[list[float], list[float]] = ([], [])
    wrong = ""
    # The first is not counted: everything that is is warm.
    for turn in range(call.rounds + 1):
        answers: dict[int, Answer] = {}
        for which in (0, 1) if turn % 2 else (1, 0):
            ask = call.prepare(readers[which], turn)
            began = time.perf_counter()
            answers[which] = ask()
            times[which].append(1000 * (time.perf_counter() - began))
        if answers[0] != answers[1]:
            wrong = f"{call.what}: {answers[1]} through views and not {answers[0]}"
    ratios = [view / table for table, view in zip(*(of[1:] for of in times), strict=True)]
    on_tables, through_views, ratio = map(statistics.median, (*(of[1:] for of in times), ratios))
    return Pair(call.what, on_tables, through_views, ratio, call.at_most, wrong)


def _calls() -> Iterator[_Call]:
    yield _Call("first page", _page(EVERYTHING, FIRST), TARGET)
    yield _Call("next page", _page(EVERYTHING, PageRequest(2), near=1))
    yield _Call("first page, one user", _page(BIG_USER, FIRST))
    yield _Call("small user (200 runs)", _page(RunFilter(username=SMALL_USER), FIRST))
    yield _Call("list of users", lambda reader, _turn: reader.usernames, TARGET)
    yield _Call(
        "list of workspaces",
        lambda reader, _turn: partial(reader.workspaces, EVERYTHING),
        TARGET,
    )
    yield _Call("opening a run", _open, rounds=FEW_ROUNDS)
    yield _Call(f"plan of {PLANNED} runs", _plan, TARGET, FEW_ROUNDS)
    yield _Call(f"deletion of {DELETED} runs", _delete, rounds=FEW_ROUNDS)
    yield _Call("a transaction without a question", _nothing)
    yield _Call("one that asks who is an admin", _admin)
    yield _Call("one that asks whether the schema has changed", _version)
    yield _Call("one that reads the schema", _schema, rounds=FEW_ROUNDS)


def _page(
    run_filter: RunFilter, request: PageRequest, near: int | None = None
) -> Callable[[Reader, int], Callable[[], Answer]]:
    def prepare(reader: Reader, _turn: int) -> Callable[[], Answer]:
        seen = None if near is None else reader.beside(run_filter, near)
        return lambda: ids(reader.browse(run_filter, request, seen))

    return prepare


def _open(reader: Reader, turn: int) -> Callable[[], Answer]:
    (thread_id,) = _with_traces(turn, 1)

    def ask() -> Answer:
        with reader.database.read() as connection:
            reading = Reading(connection, reader.host, reader.hints)
            return (str(detail.run_detail(reading, thread_id)),)

    return ask


def _plan(reader: Reader, turn: int) -> Callable[[], Answer]:
    thread_ids = _with_traces(1_000 + turn, PLANNED)

    def ask() -> Answer:
        with reader.database.read() as connection:
            plan = plan_deletion(connection, reader.host, thread_ids, include_running=False)
        return tuple(sorted(f"{one.table}: {one.rows}" for one in plan.tables))

    return ask


def _delete(reader: Reader, turn: int) -> Callable[[], Answer]:
    # Far from the newest, which the first page shows.
    thread_ids = _with_traces(RUNS_WITH_TRACES - (1 + turn) * DELETED, DELETED)
    with reader.database.read() as connection:
        plan = plan_deletion(connection, reader.host, thread_ids, include_running=False)

    # Each empties it first.
    folder = _archive().folder("0" * 32)

    def ask() -> Answer:
        receipt = execute_in(folder, reader.database, reader.host, _ADMIN, plan)
        return tuple(sorted(f"{name}: {rows}" for name, rows in receipt.tables))

    return ask


def _archive() -> LocalPlace:
    place = LocalPlace(BENCH_DIR / "archive")
    if place.read_marker() is None:
        place.write_marker("benchmark")
    return place


def _nothing(reader: Reader, _turn: int) -> Callable[[], Answer]:
    def ask() -> Answer:
        with reader.database.read():
            return None

    return ask


def _admin(reader: Reader, _turn: int) -> Callable[[], Answer]:
    def ask() -> Answer:
        with reader.database.read() as connection:
            accounts.require_admin(connection, reader.host, _ADMIN)
        return None

    return ask


def _version(reader: Reader, _turn: int) -> Callable[[], Answer]:
    def ask() -> Answer:
        with reader.database.read() as connection:
            return (str(read_version(connection) == reader.host.version),)

    return ask


def _schema(reader: Reader, _turn: int) -> Callable[[], Answer]:
    def ask() -> Answer:
        with reader.database.read() as connection:
            return (str(read_hints(connection, read_host(connection))),)

    return ask


def _with_traces(number: int, how_many: int) -> Sequence[str]:
    """The ids of runs that have traces, from the one with this number, newest first."""
    return [_thread_id(RUNS - number - each) for each in range(how_many)]


def _thread_id(number: int) -> str:
    """The id that ``benchmarks.big_host`` gives the run with this number."""
    return str(uuid.UUID(hashlib.md5(f"run {number}".encode(), usedforsecurity=False).hexdigest()))


def main() -> int:
    """Measure and print; 1 where the two answered differently."""
    server, _database = open_host(BENCH_DIR, RUNS)
    with server:
        pairs = measure(server)
    wrong = [pair.wrong for pair in pairs if pair.wrong]
    print(LEGEND, table_of_pairs(pairs), *wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
