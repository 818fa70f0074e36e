"""Deletions into the archive and the way back: how long a run takes, its file, and the memory.

Run as ``python -m benchmarks.undoing``. ``RUNS`` and ``BENCH_DIR`` say which database: see
``benchmarks.big_process``; a copy of it is worked on and thrown away. The archive is a folder here.
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
from pathlib import Path
from typing import TYPE_CHECKING

import zstandard

from benchmarks.big_host import ADMIN, cloned, open_host
from benchmarks.big_process import BENCH_DIR, RUNS
from benchmarks.deleting import newest_runs
from benchmarks.surroundings import environment
from benchmarks.verdicts import Figures, Row, Target, table
from runmanager.archive.local_place import LocalPlace
from runmanager.database import Database
from runmanager.deletion import plan_deletion
from runmanager.host.catalog import read_host
from runmanager.records import Actor
from runmanager.restoring import RestoreWork
from runmanager.settings import Settings
from tests.operations import execute_in
from tests.restoring import PARENT, task_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import sqlalchemy as sa

    from runmanager.folders import Folder
    from runmanager.host.values import Host

ROUNDS = 3
MANY, FEW = 10_000, 1000
# Of the restore of many runs, as a multiple of that of few.
FLAT = 1.5
_KIB = 1024


@dataclass
class Way:
    """One deletion with its archive, and the restore of it."""

    database: Database
    host: Host
    deleted: Folder
    restored: Folder
    path: Path

    def go(self, thread_ids: Sequence[str]) -> float:
        """Delete these; milliseconds a run."""
        with self.database.read() as connection:
            plan = plan_deletion(connection, self.host, thread_ids, include_running=False)
        began = time.perf_counter()
        receipt = execute_in(self.deleted, self.database, self.host, Actor(ADMIN, "ada"), plan)
        took = time.perf_counter() - began
        assert len(receipt.done) == len(thread_ids), receipt.failed[:1]  # noqa: S101  what is measured must be true
        return 1000 * took / len(thread_ids)

    def come_back(
        self, number: int, on_restored: Callable[[Iterable[str]], None] = lambda _ids: None
    ) -> float:
        """Put all of them back; milliseconds a run. ``on_restored`` is told of each commit."""
        folders = {PARENT: self.deleted}
        work = RestoreWork(
            self.database,
            lambda: self.host,
            lambda one: folders.get(one, self.restored),
            on_restored,
        )
        began = time.perf_counter()
        finished = work.carry_out(task_of(Actor(ADMIN, "ada"), {"thread_ids": None}, total=number))
        took = time.perf_counter() - began
        assert finished is not None  # noqa: S101  what is measured must be true
        assert (finished.done, finished.failed) == (number, 0)  # noqa: S101  likewise
        return 1000 * took / number

    def kept(self) -> tuple[int, int]:
        """The bytes of the files of rows, and of the text in them."""
        size = text = 0
        for file in self.path.rglob("*.sql.zst"):
            size += file.stat().st_size
            with file.open("rb") as source:
                reader = zstandard.ZstdDecompressor().stream_reader(source, read_across_frames=True)
                while piece := reader.read(1 << 20):
                    text += len(piece)
        return size, text


@contextmanager
def _way(database: Database, host: Host) -> Iterator[Way]:
    with tempfile.TemporaryDirectory(dir=BENCH_DIR) as path:
        place = LocalPlace(Path(path) / "archive")
        place.write_marker("benchmark")
        yield Way(database, host, place.folder("0" * 32), place.folder("1" * 32), Path(path))


def measure(url: sa.URL, runs: int) -> list[Row]:
    """The lines of the table."""
    newest = newest_runs(url, runs, MANY)
    gone: list[float] = []
    back: list[float] = []
    size = text = 0
    database = Database(url, Settings())
    with database.read() as connection:
        host = read_host(connection)
    try:
        for _turn in range(ROUNDS):
            with _way(database, host) as way:
                gone.append(way.go(newest))
                size, text = way.kept()
                back.append(way.come_back(len(newest)))
        most = {number: _memory(database, host, newest[:number]) for number in (FEW, MANY)}
    finally:
        database.close()
    of_each = f"of {text / len(newest) / _KIB:.0f} KiB of text"
    return [
        Row(f"deleting {MANY:,} runs into the archive, a run", Figures(statistics.median(gone))),
        Row(
            f"file of a run {of_each}",
            Figures(size / len(newest) / _KIB),
            Target(at_most=60, unit="KiB"),
        ),
        Row(
            f"restoring {MANY:,} runs, a run",
            Figures(statistics.median(back)),
            Target(at_most=5),
        ),
        Row(
            f"memory of it at the most ({FEW:,} runs: {most[FEW] / _KIB**2:.1f} MiB)",
            Figures(most[MANY] / _KIB**2),
            Target(at_most=round(FLAT * most[FEW] / _KIB**2, 1), unit="MiB"),
        ),
    ]


def _memory(database: Database, host: Host, thread_ids: Sequence[str]) -> int:
    with _way(database, host) as way:
        way.go(thread_ids)
        gc.collect()
        tracemalloc.start()
        way.come_back(len(thread_ids), _collect)
        _now, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return most


def _collect(_thread_ids: Iterable[str]) -> None:
    """Give back what nobody holds: it is no memory that a longer restore would take."""
    gc.collect()


def main() -> int:
    """Measure, print, and say whether every target was met."""
    server, database = open_host(BENCH_DIR, RUNS)
    with server:
        print(environment(database))
        with cloned(server, RUNS) as copy:
            rows = measure(copy, RUNS)
    print(table(rows))
    return 1 if any("MISSED" in row.verdict for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
