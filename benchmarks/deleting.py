"""Deleting runs of 111 rows: ours in batches, the plain way run by run, in turns.

It takes from the newest runs of a database, which is a copy that is thrown away. Ours carries out a
plan that is made already, with its locks, its checks, its records and what it counts of each run:
once with the rows kept in the archive, a folder here, and once without.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from benchmarks import naive
from benchmarks.big_host import ADMIN
from benchmarks.big_process import BENCH_DIR
from benchmarks.proxy import delayed
from benchmarks.verdicts import Figures, Row, Target
from runmanager.archive.local_place import LocalPlace
from runmanager.database import Database
from runmanager.deletion import plan_deletion
from runmanager.records import Actor
from runmanager.settings import Settings
from tests.hosts import connect
from tests.operations import execute_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runmanager.folders import Folder
    from runmanager.host.values import Host

ROUNDS = 5
OURS, NAIVE = 750, 200
ROWS_A_RUN = 111
ROUND_TRIP = 0.001
LOCKED_AT_MOST = 150
# Of the newest 2,000 every second one is running: see benchmarks.big_host.
_NEWEST = """
    SELECT md5('run ' || n)::uuid::text
    FROM generate_series(%(runs)s::bigint - 2000, 1, -1) n
    WHERE n %% (%(runs)s / 50) <> 5
    LIMIT %(number)s
"""


@dataclass
class Locks:
    """How long each batch held its locks: from before the first is asked for until after COMMIT."""

    milliseconds: list[float] = field(default_factory=list)
    _began: float | None = None

    def begin(self, *event: Any) -> None:
        """Note the time of a batch's first lock; a listener to what is executed."""
        if self._began is None and "FOR UPDATE" in event[2]:
            self._began = time.perf_counter()

    def end(self, _done: int, _failed: int) -> None:
        """Note the time of a batch's end; told of its progress."""
        if self._began is not None:
            self.milliseconds.append(1000 * (time.perf_counter() - self._began))
            self._began = None


@dataclass
class Deleted:
    """Milliseconds a run of each round."""

    ours: list[float] = field(default_factory=list)
    archiving: list[float] = field(default_factory=list)
    naive: list[float] = field(default_factory=list)
    locks: Locks = field(default_factory=Locks)

    def rows(self, where: str, at_least: float, archiving_at_least: float) -> tuple[Row, ...]:
        """Three lines of the table."""
        naive_way = statistics.median(self.naive)
        locked = self.locks.milliseconds
        return (
            Row(
                f"deleting, a run, {where}",
                Figures(statistics.median(self.ours), naive=naive_way),
                Target(times_naive=at_least),
            ),
            Row(
                f"deleting into the archive, a run, {where}",
                Figures(statistics.median(self.archiving), naive=naive_way),
                Target(times_naive=archiving_at_least),
            ),
            Row(
                f"longest time with locks, {where} (median {statistics.median(locked):.0f})",
                Figures(max(locked)),
                Target(at_most=LOCKED_AT_MOST),
            ),
        )


def measure(url: sa.URL, host: Host, runs: int) -> tuple[list[Row], float]:
    """Deletions without and with a network between; and that network's round trip, measured."""
    newest = iter(newest_runs(url, runs, 2 * ROUNDS * (2 * OURS + NAIVE)))
    near = _delete(url, host, newest)
    with delayed(url, ROUND_TRIP) as remote:
        trip = round_trip(remote) - round_trip(url)
        far = _delete(remote, host, newest)
    return [*near.rows("locally", 2.5, 1.5), *far.rows("1 ms away", 10, 5)], trip


def round_trip(url: sa.URL) -> float:
    """Milliseconds of a statement that does nothing."""
    took = []
    with connect(url) as connection:
        for _turn in range(200):
            began = time.perf_counter()
            connection.execute("SELECT 1")
            took.append(1000 * (time.perf_counter() - began))
    return statistics.median(took)


def newest_runs(url: sa.URL, runs: int, number: int) -> list[str]:
    """The newest runs of a database of so many behind which none runs, the newest first."""
    with connect(url) as connection:
        found = connection.execute(_NEWEST, {"runs": runs, "number": number})
        return [one for (one,) in found]


def _delete(url: sa.URL, host: Host, newest: Iterator[str]) -> Deleted:
    deleted = Deleted()
    database = Database(url, Settings())
    sa.event.listen(sa.Engine, "before_cursor_execute", deleted.locks.begin)
    try:
        for _turn in range(ROUNDS):
            for took, is_archived in ((deleted.ours, False), (deleted.archiving, True)):
                thread_ids = _take(newest, OURS)
                with _folder() as folder:
                    took.append(
                        _ours(
                            database,
                            host,
                            thread_ids,
                            deleted.locks,
                            folder,
                            is_archived=is_archived,
                        )
                    )
            thread_ids = _take(newest, NAIVE)
            with connect(url) as connection:
                began = time.perf_counter()
                naive.delete(connection, thread_ids)
                deleted.naive.append(1000 * (time.perf_counter() - began) / NAIVE)
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", deleted.locks.begin)
        database.close()
    return deleted


@contextmanager
def _folder() -> Iterator[Folder]:
    with tempfile.TemporaryDirectory(dir=BENCH_DIR) as path:
        place = LocalPlace(Path(path) / "archive")
        place.write_marker("benchmark")
        yield place.folder("0" * 32)


def _ours(
    database: Database,
    host: Host,
    thread_ids: Sequence[str],
    locks: Locks,
    folder: Folder,
    *,
    is_archived: bool,
) -> float:
    with database.read() as connection:
        plan = plan_deletion(connection, host, thread_ids, include_running=False)
    began = time.perf_counter()
    receipt = execute_in(
        folder,
        database,
        host,
        Actor(ADMIN, "ada"),
        plan,
        on_progress=locks.end,
        is_archived=is_archived,
    )
    took = time.perf_counter() - began
    expected = (len(thread_ids), ROWS_A_RUN * len(thread_ids))
    assert (len(receipt.done), receipt.rows) == expected, receipt.failed[:1]  # noqa: S101  what is measured must be true
    return 1000 * took / len(thread_ids)


def _take(thread_ids: Iterator[str], number: int) -> list[str]:
    return [next(thread_ids) for _each in range(number)]
