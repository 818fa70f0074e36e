"""A page of the list by the API, at its client: how much of it is not PostgreSQL's time.

The calls of the service that the endpoint makes are made here too, in turns, and what their
statements take is taken off. Beginning and ending a transaction is no statement of theirs, so that
it counts as ours.
"""

from __future__ import annotations

import http.client
import json
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import sqlalchemy as sa

from benchmarks.big_host import ADMIN, SMALL_USER, open_host
from benchmarks.big_process import BENCH_DIR, RUNS, serving
from benchmarks.verdicts import Figures, Row, Target
from runmanager.api.application import PREFIX
from runmanager.filters import RunFilter
from runmanager.paging import PageRequest
from runmanager.service import RunManager
from runmanager.settings import Settings
from tests.api.conftest import token

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    with serving() as process:
        server, database = open_host(BENCH_DIR, RUNS)
        manager = RunManager.open(database, Settings())
        statements = Statements()
        sa.event.listen(sa.Engine, "before_cursor_execute", statements.begin)
        sa.event.listen(sa.Engine, "after_cursor_execute", statements.end)
        try:
            pages = _pages(process.url)
            for turn in range(WARM_UP + ROUNDS):
                took = next(pages)
                statements.seconds = 0.0
                actor = manager.actor_named(ADMIN, is_username=False)
                manager.list_runs(actor, RunFilter(username=SMALL_USER), PageRequest())
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


def _pages(url: str) -> Iterator[float]:
    """The seconds of one page after the other, on one connection."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    headers = {"Authorization": f"Bearer {token(ADMIN, exp=int(time.time()) + 3600)}"}
    path = f"{PREFIX}/runs?{urlencode({'username': SMALL_USER, 'page_size': 50})}"
    while True:
        began = time.perf_counter()
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        took = time.perf_counter() - began
        assert answer.status == 200, body  # noqa: S101  what is measured must be true
        assert len(json.loads(body)["runs"]) == 50, body  # noqa: S101  as above
        yield took
