"""What the guard costs: opening the page here, and in a checkout from before it, in turn.

    git worktree add BEFORE 65be35e
    python -m benchmarks.entrance --before BEFORE

Both processes run at once on one database of 20,000 runs and are asked in turn, so that whatever
else the machine does is done to both. Opening the page is what a browser waits for: the page, its
front end's configuration, the socket's handshake, and the script's runs until the list is there and
the run that drew it has ended. The target: a ratio of the medians of 1.3 at the most.
"""

from __future__ import annotations

import argparse
import http.client
import statistics
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import jwt

from runmanager.demo.postgres import EmbeddedPostgres
from tests.conftest import Server
from tests.hosts import PASSWORD, SHAPES, HostWriter, connect, fill
from tests.processes import COOKIE_KEY, ROOT, AppProcess, settings_for
from tests.sockets import Socket

RUNS = 20_000
OPENINGS = 60
WARM_UP = 5
TARGET = 1.3
ADMIN_NAME = "ada"
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass
class Opened:
    """One process, the cookie of an admin there, and how long each opening took."""

    app: AppProcess
    cookie: str
    seconds: list[float] = field(default_factory=list)
    parts: list[tuple[float, float, float]] = field(default_factory=list)

    def open_page(self) -> None:
        """Open the page once, as a browser does."""
        headers = {"Cookie": self.cookie}
        times = [time.perf_counter()]
        connection = http.client.HTTPConnection(self.app.url.removeprefix("http://"), timeout=60)
        for path in ("/", "/_stcore/host-config"):
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            answer.read()
            _require(answer.status == 200, f"{path} answers {answer.status}")
        connection.close()
        times.append(time.perf_counter())
        with Socket.connect(self.app.url, headers) as tab:
            times.append(time.perf_counter())
            tab.rerun()
            # The page before read its cookie in a first run, and drew the list in a second one.
            while not any(tab.elements("dataframe")):
                _require(bool(tab.settle(quiet=0.0)), "the page has no list of runs")
            times.append(time.perf_counter())
        first, page, socket, run = times
        self.seconds.append(run - first)
        self.parts.append((page - first, socket - page, run - socket))

    @property
    def median(self) -> float:
        """The median of all openings, in milliseconds."""
        return 1000 * statistics.median(self.seconds)

    def line(self, name: str) -> str:
        """The times in words."""
        page, socket, run = (1000 * statistics.median(one) for one in zip(*self.parts, strict=True))
        return (
            f"{name:<8}{self.median:7.1f} ms  (page and configuration {page:.1f}, "
            f"handshake {socket:.1f}, runs {run:.1f})"
        )


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise SystemExit(f"The measurement is void: {what}.")


def cookie_by_the_door(app: AppProcess) -> str:
    """Sign in as a browser does."""
    host = app.url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=60)
    body = urlencode({"username": ADMIN_NAME, "password": PASSWORD})
    connection.request("POST", "/sign-in", body, _FORM | {"Origin": app.url})
    answer = connection.getresponse()
    _require(answer.status == 303, f"the door answers {answer.status}")
    cookies = answer.headers.get_all("Set-Cookie") or []
    connection.close()
    return "; ".join(one.split(";")[0] for one in cookies)


def cookie_of_before() -> str:
    """The cookie that streamlit-authenticator kept in the browser."""
    claims = {"username": ADMIN_NAME, "exp_date": time.time() + 3600}
    return f"runmanager_session={jwt.encode(claims, COOKIE_KEY, 'HS256')}"


def measure(before: Path, folder: Path) -> tuple[Opened, Opened]:
    """Both, on one database."""
    postgres = EmbeddedPostgres(folder / f"postgres-{uuid.uuid4().hex}").start()
    server = Server(postgres)
    shape = SHAPES[0]
    url = server.url(server.create(shape), shape)
    started: list[AppProcess] = []
    try:
        with connect(url) as connection:
            host = HostWriter(shape, url, connection)
            fill(host, RUNS)
            host.execute("CREATE INDEX ON run_metadata (created_at DESC)")
        settings = settings_for(url) | {"RUNMANAGER_STATE_DIR": str(folder / "state")}
        for name, checkout in (("before", before), ("now", ROOT)):
            log = folder / f"{name}.log"
            started.append(AppProcess(log, settings, directory=checkout).ready())
        old, new = started
        both = Opened(old, cookie_of_before()), Opened(new, cookie_by_the_door(new))
        for number in range(WARM_UP + OPENINGS):
            for one in both if number % 2 else both[::-1]:
                one.open_page()
            if number + 1 == WARM_UP:
                for one in both:
                    one.seconds.clear()
                    one.parts.clear()
        return both
    finally:
        for app in started:
            app.stop()
        server.close()


def main() -> None:
    """Measure, and print the ratio."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--before", type=Path, required=True, help="a checkout without the guard")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        before, now = measure(chosen.before.resolve(), Path(name))
    print(f"Opening the page, median of {OPENINGS}, in turn:")
    print(before.line("before"))
    print(now.line("now"))
    ratio = now.median / before.median
    verdict = "as it should be" if ratio <= TARGET else f"MISSED: {TARGET} at the most"
    print(f"ratio   {ratio:.2f}  {verdict}")
    sys.exit(0 if ratio <= TARGET else 1)


if __name__ == "__main__":
    main()
