"""Run Manager as a process on a host of its own, for the programs of this room."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from runmanager.demo.postgres import EmbeddedPostgres
from tests.conftest import Server
from tests.hosts import SHAPES, HostWriter, connect
from tests.processes import AppProcess, settings_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")


@contextmanager
def running_on(furnish: Callable[[HostWriter], T]) -> Iterator[tuple[AppProcess, T]]:
    """The process on a host that ``furnish`` has filled, and what that returned."""
    with tempfile.TemporaryDirectory(prefix="run-manager-security-") as name:
        folder = Path(name)
        # PostgreSQL's own user must get in.
        folder.chmod(0o755)
        server = Server(EmbeddedPostgres(folder / "postgres").start())
        shape = SHAPES[0]
        url = server.url(server.create(shape), shape)
        with connect(url) as connection:
            furnished = furnish(HostWriter(shape, url, connection))
            app = AppProcess(folder / "log", settings_for(url)).ready()
            try:
                yield app, furnished
            finally:
                app.stop()
        server.close()
