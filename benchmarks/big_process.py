"""The real process on a big host's database, and how much memory it takes.

``BENCH_DIR`` is where the database is kept between runs: by default ``.bench`` beside ``app.py``.
``RUNS`` is how many runs it has.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.big_host import open_host
from tests.api.conftest import SECRET
from tests.processes import ROOT, AppProcess, settings_for

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNS = int(os.environ.get("RUNS", "1000000"))
BENCH_DIR = Path(os.environ.get("BENCH_DIR", ROOT / ".bench"))


@dataclass(frozen=True)
class Serving:
    """A running process."""

    url: str
    pid: int
    log: Path

    def resident(self) -> int:
        """The megabytes of memory that it holds at this moment."""
        return _status(self.pid, "VmRSS") // 1000

    def peak(self) -> int:
        """The most megabytes of memory that it ever held."""
        return _status(self.pid, "VmHWM") // 1000


@contextmanager
def serving() -> Iterator[Serving]:
    """The process on the database with ``RUNS`` runs; it is ended with the block."""
    server, database = open_host(BENCH_DIR, RUNS)
    try:
        with tempfile.TemporaryDirectory() as folder:
            settings = settings_for(database) | {"RUNMANAGER_JWT_SECRET": SECRET}
            app = AppProcess(Path(folder) / "log", settings)
            try:
                app.ready()
                yield Serving(app.url, app.process.pid, app.log)
            finally:
                app.stop()
    finally:
        server.close()


def _status(pid: int, name: str) -> int:
    """A number of kilobytes (of 1,024 bytes, in thousands) that the kernel holds of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 // 1000
    raise LookupError(name)
