"""The dashboard while scripts call the API: 20 clients list and 2 delete for 30 seconds.

    python -m benchmarks.api_load

It starts the real process on a PostgreSQL of its own with 20,000 runs, and asks for the dashboard's
health every 50 ms meanwhile. The target: an answer within 100 ms at the 95th percentile.
"""

from __future__ import annotations

import http.client
import json
import random
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from runmanager.api.application import PREFIX
from runmanager.demo.postgres import EmbeddedPostgres
from tests.api.conftest import SECRET, token
from tests.api.live import live
from tests.conftest import Server
from tests.hosts import SHAPES, HostWriter, connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tests.api.live import Live

RUNS = 20_000
LISTING, DELETING = 20, 2
SECONDS = 30.0
IDS_A_DELETION = 20
TARGET = 0.1

_FILL = """
    INSERT INTO run_metadata (thread_id, run_name, status, created_at, user_id, workspace_id)
    SELECT 'run-' || n, 'Order processing ' || n, 'completed', now() - n * interval '4 minutes',
           'u' || n % 20, 'w' || n % 5 FROM generate_series(1, {runs}) n;
    INSERT INTO users (id, username) SELECT 'u' || n, 'user ' || n FROM generate_series(0, 19) n;
    INSERT INTO workspaces SELECT 'w' || n, 'Workspace ' || n FROM generate_series(0, 4) n;
    INSERT INTO checkpoints (thread_id, checkpoint_id, checkpoint)
    SELECT 'run-' || n, 'c' || c, '{{}}' FROM generate_series(1, {runs}) n, generate_series(1, 5) c;
    INSERT INTO checkpoint_writes (thread_id, checkpoint_id, task_id, idx, channel, blob)
    SELECT 'run-' || n, 'c' || c, 't', i, 'state', 'abc'
    FROM generate_series(1, {runs}) n, generate_series(1, 5) c, generate_series(1, 2) i;
    INSERT INTO checkpoint_blobs (thread_id, channel, version, type, blob)
    SELECT 'run-' || n, 'state', c, 'msgpack', 'abc'
    FROM generate_series(1, {runs}) n, generate_series(1, 5) c;
    INSERT INTO logs (thread_id, level, message, created_at)
    SELECT 'run-' || n, 'INFO', 'line ' || c, now()
    FROM generate_series(1, {runs}) n, generate_series(1, 10) c;
    CREATE INDEX ON run_metadata (created_at DESC);
    CREATE INDEX ON logs (thread_id);
"""


@dataclass
class Measured:
    """How long each answer took, in seconds, and what else is counted."""

    seconds: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    runs: int = 0

    def percentile(self, share: float) -> float:
        """The time within which this share of the answers came."""
        ordered = sorted(self.seconds) or [float("nan")]
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def line(self) -> str:
        """The times in milliseconds, in words."""
        p50, p95, worst = (1000 * self.percentile(share) for share in (0.5, 0.95, 1.0))
        return (
            f"{len(self.seconds):>6} answers, p50 {p50:.0f} ms, p95 {p95:.0f} ms, "
            f"max {worst:.0f} ms, statuses {self.statuses}"
        )


@dataclass
class Load:
    """The clients at work on one process, until the time is over."""

    running: Live
    authorization: str
    until: float
    listed: Measured = field(default_factory=Measured)
    deleted: Measured = field(default_factory=Measured)
    health: Measured = field(default_factory=Measured)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def list_runs(self, number: int) -> None:
        """One client that reads page after page, filtered now and then."""
        dice = random.Random(number)  # noqa: S311  no secret
        connection = self._connect()
        while time.monotonic() < self.until:
            query = f"page={dice.randrange(1, 300)}&page_size=50"
            query += dice.choice(["", "", f"&username=user%20{number}", "&search=processing%2012"])
            self._ask(connection, self.listed, "GET", f"{PREFIX}/runs?{query}")

    def delete_runs(self, number: int) -> None:
        """One client that deletes batch after batch of runs that nobody else deletes."""
        connection = self._connect()
        ids = [f"run-{one}" for one in range(number + 1, RUNS + 1, DELETING)]
        while time.monotonic() < self.until and ids:
            batch, ids = ids[:IDS_A_DELETION], ids[IDS_A_DELETION:]
            body = json.dumps({"thread_ids": batch})
            answer = self._ask(connection, self.deleted, "DELETE", f"{PREFIX}/runs", body)
            self.deleted.runs += json.loads(answer).get("deleted_count", 0)

    def ask_health(self, _number: int) -> None:
        """The dashboard's own health, every 50 ms."""
        connection = self._connect()
        while time.monotonic() < self.until:
            self._ask(connection, self.health, "GET", "/_stcore/health")
            time.sleep(0.05)

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.running.port, timeout=60)

    def _ask(
        self, connection: http.client.HTTPConnection, measured: Measured, method: str, path: str,
        body: str | None = None,
    ) -> bytes:  # fmt: skip
        headers: Mapping[str, str] = {
            "Authorization": f"Bearer {self.authorization}",
            "Content-Type": "application/json",
        }
        began = time.monotonic()
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        answer = response.read()
        seconds = time.monotonic() - began
        with self._lock:
            measured.seconds.append(seconds)
            measured.statuses[response.status] = measured.statuses.get(response.status, 0) + 1
        return answer


@contextmanager
def filled_host(directory: Path) -> Iterator[HostWriter]:
    """A host with 20,000 runs and 30 traces each, on a PostgreSQL of its own."""
    server = Server(EmbeddedPostgres(directory / "postgres").start())
    shape = SHAPES[0]
    url = server.url(server.create(shape), shape)
    with connect(url) as connection:
        connection.execute(_FILL.format(runs=RUNS))
        connection.execute("VACUUM ANALYZE")
        yield HostWriter(shape, url, connection)
    server.close()


def together(work: Sequence[tuple[Callable[[int], None], int]]) -> None:
    """Run each function in so many threads at once, until all have ended."""
    threads = [
        threading.Thread(target=function, args=(number,))
        for function, count in work
        for number in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main() -> None:
    """Measure, and print what came of it."""
    with tempfile.TemporaryDirectory() as name, filled_host(Path(name)) as host:
        authorization = token(host.admin.user_id, exp=int(time.time()) + 3600)
        with live(host.url, Path(name), RUNMANAGER_JWT_SECRET=SECRET) as running:
            quiet = Load(running, authorization, time.monotonic() + 5)
            together([(quiet.ask_health, 1)])
            load = Load(running, authorization, time.monotonic() + SECONDS)
            together(
                [(load.list_runs, LISTING), (load.delete_runs, DELETING), (load.ask_health, 1)]
            )
    print(f"{LISTING} clients list and {DELETING} delete, {SECONDS:.0f} s, {RUNS:,} runs at first")
    print(f"dashboard's health, idle:    {quiet.health.line()}")
    print(f"dashboard's health, loaded:  {load.health.line()}")
    print(f"lists   ({len(load.listed.seconds) / SECONDS:.0f} a second):    {load.listed.line()}")
    print(f"deletions ({load.deleted.runs:,} runs gone): {load.deleted.line()}")
    verdict = "met" if load.health.percentile(0.95) <= TARGET else "MISSED"
    print(f"target, p95 of the loaded health within {TARGET * 1000:.0f} ms: {verdict}")


if __name__ == "__main__":
    main()
