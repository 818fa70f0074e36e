"""The real process, ``python app.py``, on a port of its own and a test's database."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runmanager.api.application import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 90
STOP_SECONDS = 30


@dataclass(frozen=True)
class Live:
    """A running process: where it listens, and what it has said."""

    port: int
    log: Path

    @property
    def origin(self) -> str:
        """The address of the dashboard."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def api(self) -> str:
        """The address of the API."""
        return self.origin + PREFIX


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def live(url: sa.URL, directory: Path, **environ: str) -> Iterator[Live]:
    """The process on the database at ``url``; it is ended with the block."""
    running = Live(free_port(), directory / "app.log")
    values = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", str(directory)),
        "DATABASE_URL": url.render_as_string(hide_password=False),
        "STREAMLIT_SERVER_ADDRESS": "127.0.0.1",
        "STREAMLIT_SERVER_PORT": str(running.port),
        "RUNMANAGER_COOKIE_KEY": "the cookie's key of the live tests, 32 bytes or more",
        **environ,
    }
    with running.log.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=ROOT, env=values, stdout=log, stderr=log
        )
        try:
            _await(process, running)
            yield running
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await(process: subprocess.Popen[bytes], running: Live) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{running.api}/health", timeout=5):  # noqa: S310  http
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"the process did not start: {running.log.read_text()}")
