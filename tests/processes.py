"""Run Manager as a process: started as a user would, on a port of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx2

from tests.hosts import PASSWORD

if TYPE_CHECKING:
    import sqlalchemy as sa

ROOT = Path(__file__).parents[1]
COOKIE_KEY = "a key of the tests, thirty-two bytes or more"
START_SECONDS = 60
PYTHON_APP = (sys.executable, "app.py")


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(port: int, settings: dict[str, str]) -> dict[str, str]:
    """This process's environment without any setting of Run Manager's but ``settings``."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(
            ("RUNMANAGER_", "STREAMLIT_", "DATABASE_URL", "CREDENTIALS_DIRECTORY", "PG", "COV_")
        )
    }
    return kept | {"STREAMLIT_SERVER_PORT": str(port), "PYTHONUNBUFFERED": "1"} | settings


def address(url: sa.URL) -> str:
    """A database's address as a user would write it."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def settings_for(url: sa.URL) -> dict[str, str]:
    """What a process on this database is told; a test may hold its deletions back for long."""
    return {
        "DATABASE_URL": address(url),
        "RUNMANAGER_COOKIE_KEY": COOKIE_KEY,
        "RUNMANAGER_LOCK_TIMEOUT": "60",
    }


def sign_in(url: str, name: str, password: str = PASSWORD) -> dict[str, str]:
    """The cookies that the process at ``url`` gives for this name and password."""
    parts = urlsplit(url)
    answer = httpx2.post(
        f"{url}/sign-in",
        data={"username": name, "password": password, "next": ""},
        headers={"Origin": f"{parts.scheme}://{parts.netloc}"},
        timeout=60,
    )
    assert answer.status_code == 303, answer.text
    return dict(answer.cookies)


class AppProcess:
    """One running Run Manager; ``url`` is where its dashboard is."""

    def __init__(
        self,
        log: Path,
        settings: dict[str, str],
        command: tuple[str, ...] = PYTHON_APP,
        directory: Path = ROOT,
        port: int | None = None,
    ) -> None:
        port = free_port() if port is None else port
        if "DATABASE_URL" in settings:
            # The demo has its store in its own folder.
            settings = {"RUNMANAGER_STATE_DIR": str(log.with_suffix(".state"))} | settings
        self.url = f"http://localhost:{port}"
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(  # noqa: S603  # our own program
                command, cwd=directory, env=environment(port, settings),
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip

    @property
    def said(self) -> str:
        """What the process has printed."""
        return self.log.read_text(errors="replace")

    def ready(self, base_path: str = "") -> AppProcess:
        """Wait until it answers, below its base path where it has one."""
        deadline = time.monotonic() + START_SECONDS
        while not self._answers(base_path):
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.05)
        return self

    def kill(self) -> None:
        """End it without a warning, as a crash or a power cut would."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End it as a supervisor would."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()

    def _answers(self, base_path: str) -> bool:
        try:
            health = f"{self.url}{base_path}/_stcore/health"
            with urllib.request.urlopen(health, timeout=5) as answer:  # noqa: S310  # our own address
                return bool(answer.status == 200)
        except OSError:
            return False
