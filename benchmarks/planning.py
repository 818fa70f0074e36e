"""Plans by filter: how long they take, and what they add to the memory.

Run as ``python -m benchmarks.planning``. ``RUNS`` and ``BENCH_DIR`` say which database: see
``benchmarks.big_process``. Each plan freezes its runs into a file in a temporary folder.
"""

from __future__ import annotations

import gc
import statistics
import sys
import tempfile
import time
import tracemalloc
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING

from benchmarks.big_host import open_host
from benchmarks.big_process import BENCH_DIR, RUNS
from benchmarks.surroundings import environment
from benchmarks.verdicts import Figures, Row, Target, table
from runmanager.database import Database
from runmanager.deletion.matching import plan_matching
from runmanager.filters import RunFilter
from runmanager.host.catalog import read_host
from runmanager.host.values import Reading
from runmanager.queries.catalog.hints import read_hints
from runmanager.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import sqlalchemy as sa

    from runmanager.records import DeletionPlan

ROUNDS = 5
MANY = 100_000
_MIB = 1024 * 1024
# When the newest of the runs started, of which there are three in nine seconds.
_NOW = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass(frozen=True)
class DiskFolder:
    """As much of an operation's folder as a plan needs."""

    path: Path

    def names(self) -> tuple[str, ...]:
        """Its files."""
        return tuple(sorted(one.name for one in self.path.iterdir()))

    def write(self, name: str, data: bytes) -> None:
        """Write one at once."""
        (self.path / name).write_bytes(data)

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """Write one piece by piece."""
        with (self.path / name).open("wb") as sink:
            yield sink

    @contextmanager
    def reading(self, name: str) -> Iterator[IO[bytes]]:
        """Read one."""
        with (self.path / name).open("rb") as source:
            yield source

    def read(self, name: str) -> bytes:
        """All of one."""
        return (self.path / name).read_bytes()

    def remove(self, names: Iterable[str]) -> None:
        """Remove some."""
        for name in names:
            (self.path / name).unlink(missing_ok=True)

    def remove_half_written(self) -> None:
        """Nothing is ever begun twice."""


@dataclass(frozen=True)
class Case:
    """A filter, and what its plan may take: seconds, and mebibytes."""

    run_filter: RunFilter
    seconds: float
    mebibytes: float


def cases(runs: int) -> list[Case]:
    """Some 100,000 runs of the newest, and all of them; targets are for so many."""
    newest = RunFilter(since=_NOW - timedelta(seconds=3 * MANY))
    found = [Case(newest, 0.6, 10)] if runs > MANY else []
    return [*found, Case(RunFilter(), 6.0 * runs / 1_000_000, 40)]


def measure(database: Database, case: Case) -> list[Row]:
    """Two lines of the table."""
    took = [_plan(database, case)[1] for _turn in range(ROUNDS)]
    gc.collect()
    tracemalloc.start()
    plan, _took = _plan(database, case)
    _now, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    what = f"plan of {plan.total:,} runs"
    return [
        Row(what, Figures(statistics.median(took)), Target(at_most=1000 * case.seconds)),
        Row(
            f"{what}, memory at the most",
            Figures(most / _MIB),
            Target(at_most=case.mebibytes, unit="MiB"),
        ),
    ]


def _plan(database: Database, case: Case) -> tuple[DeletionPlan, float]:
    """A plan, and the milliseconds that it took; the schema is known before."""
    with tempfile.TemporaryDirectory() as folder, database.read() as connection:
        host = read_host(connection)
        reading = Reading(connection, host, read_hints(connection, host))
        began = time.perf_counter()
        plan = plan_matching(
            reading,
            case.run_filter,
            into=DiskFolder(Path(folder)),
            every=True,
            active_minutes=5,
        )
        return plan, 1000 * (time.perf_counter() - began)


def measure_all(url: sa.URL, runs: int) -> list[Row]:
    """The lines of the table, for a database with so many runs."""
    database = Database(url, Settings())
    try:
        return [row for case in cases(runs) for row in measure(database, case)]
    finally:
        database.close()


def main() -> int:
    """Measure, print, and say whether every target was met."""
    server, url = open_host(BENCH_DIR, RUNS)
    with server:
        print(environment(url))
        rows = measure_all(url, RUNS)
    print(table(rows))
    return 1 if any("MISSED" in row.verdict for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
