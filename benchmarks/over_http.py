"""A page of the list by the API, at its client: how much of it is not PostgreSQL's time.

The calls of the service that the endpoint makes are made here too, in turns, and what their
statements take is taken off. Beginning and ending a transaction is no statement of theirs, so that
it counts as ours.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.api_client import ApiClient
from benchmarks.big_host import ADMIN, SMALL_USER, open_host
from benchmarks.big_process import BENCH_DIR, RUNS, serving
from benchmarks.verdicts import Figures, Row, Target
from pages.passwords import is_password
from runmanager.filters import RunFilter
from runmanager.paging import PageRequest
from runmanager.service import RunManager
from runmanager.settings import Settings

ROUNDS = 60
WARM_UP = 10
TARGET = Target(at_most=15)


@dataclass
class Statements:
    """The seconds that statements took, as their driver saw it."""

    seconds: float = 0.0
    _began: float = 0.0

    def begin(self, *_event: Any) -> None:
        """A statement begins; a listener to what is executed."""
        self._began = time.perf_counter()

    def end(self, *_event: Any) -> None:
        """It has ended."""
        self.seconds += time.perf_counter() - self._began


def measure() -> list[Row]:
    """One client and a process of its own."""
    whole, in_sql = [], []
    with serving() as process, tempfile.TemporaryDirectory() as folder:
        server, database = open_host(BENCH_DIR, RUNS)
        manager = RunManager.open(database, Settings(state_dir=Path(folder)), is_password)
        statements = Statements()
        sa.event.listen(sa.Engine, "before_cursor_execute", statements.begin)
        sa.event.listen(sa.Engine, "after_cursor_execute", statements.end)
        try:
            client = ApiClient(process.url)
            for turn in range(WARM_UP + ROUNDS):
                took = _page(client)
                statements.seconds = 0.0
                actor = manager.signing_in.actor_named(ADMIN, is_username=False)
                manager.finding.list_runs(actor, RunFilter(username=SMALL_USER), PageRequest())
                if turn >= WARM_UP:
                    whole.append(1000 * took)
                    in_sql.append(1000 * statements.seconds)
        finally:
            sa.event.remove(sa.Engine, "before_cursor_execute", statements.begin)
            sa.event.remove(sa.Engine, "after_cursor_execute", statements.end)
            manager.close()
            server.close()
    page, sql = statistics.median(whole), statistics.median(in_sql)
    return [
        Row("a page of the small user over the API", Figures(page)),
        Row(f"the same without SQL ({sql:.1f} ms)", Figures(page - sql), TARGET),
    ]


def _page(client: ApiClient) -> float:
    """The seconds of one page."""
    took, status, found = client.list_runs({"username": SMALL_USER, "page_size": 50})
    assert len(found) == 50, status  # noqa: S101  what is measured must be true
    return took
