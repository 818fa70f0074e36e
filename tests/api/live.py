"""The real process on a test's database, with its API."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runmanager.api.application import PREFIX
from tests.processes import AppProcess, settings_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import sqlalchemy as sa

_HERE = {"STREAMLIT_SERVER_ADDRESS": "127.0.0.1"}


@dataclass(frozen=True)
class Live:
    """A running process: where it listens, and where it writes what it says."""

    port: int
    log: Path

    @property
    def api(self) -> str:
        """The address of the API."""
        return f"http://127.0.0.1:{self.port}{PREFIX}"


@contextmanager
def live(url: sa.URL, directory: Path, **environ: str) -> Iterator[Live]:
    """The process on the database at ``url``; it is ended with the block."""
    app = AppProcess(directory / "app.log", settings_for(url) | _HERE | environ)
    try:
        app.ready()
        yield Live(int(app.url.rsplit(":", 1)[1]), app.log)
    finally:
        app.stop()
