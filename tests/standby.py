"""A primary and its hot standby: two servers of the tests, and a lag that a test decides on."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runmanager.demo import places
from runmanager.demo.binaries import find_binaries, reachable_binaries, version_of
from runmanager.demo.postgres import EmbeddedPostgres
from tests.hosts import connect
from tests.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import ExitStack

    import psycopg
    import sqlalchemy as sa

SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    # A reader in the way of what the standby replays is stopped at once.
    "max_standby_streaming_delay": "0",
}


class Pair:
    """A primary and the standby that replays what it writes."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._primary = stack.enter_context(EmbeddedPostgres(folder / "primary", settings=SETTINGS))
        self._standby = EmbeddedPostgres(folder / "standby", settings=SETTINGS)
        copy(self._primary, self._standby)
        stack.enter_context(self._standby)
        self.primary = self._connected(stack, self._primary)
        self.standby = self._connected(stack, self._standby)

    def urls(self, database: str) -> tuple[sa.URL, sa.URL]:
        """The addresses of one database, on the primary and on the standby."""
        return self._primary.url(database), self._standby.url(database)

    def catch_up(self) -> None:
        """Return once the standby has replayed all that the primary has written."""
        # A commit takes with it to the disk, and so to the standby, whatever was written before.
        self.primary.execute("SELECT pg_logical_emit_message(true, 'tests', '')")
        (written,) = self.primary.execute("SELECT pg_current_wal_flush_lsn()").fetchone() or ("",)
        wait_until(lambda: self._has_replayed(written))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let the standby replay nothing inside the block."""
        self.catch_up()
        self.standby.execute("SELECT pg_wal_replay_pause()")
        state = "SELECT pg_get_wal_replay_pause_state()"
        wait_until(lambda: self.standby.execute(state).fetchone() == ("paused",))
        try:
            yield
        finally:
            self.standby.execute("SELECT pg_wal_replay_resume()")

    @contextmanager
    def kept_in_memory(self) -> Iterator[None]:
        """Let the primary's log reach the disk, and the standby, by synchronous commits only."""
        self.catch_up()
        writer = wal_writer(self.primary)
        os.kill(writer, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(writer, signal.SIGCONT)

    @contextmanager
    def standby_away(self) -> Iterator[None]:
        """Let nobody find the standby inside the block, and end who is there but the test."""
        sockets = Path(str(self._standby.url().query["host"]))
        hidden = sockets.with_name(f"{sockets.name}-away")
        sockets.rename(hidden)
        self.standby.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE application_name = 'runmanager'"
        )
        try:
            yield
        finally:
            hidden.rename(sockets)

    def _has_replayed(self, written: str) -> bool:
        statement = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
        return self.standby.execute(statement, [written]).fetchone() == (True,)

    @staticmethod
    def _connected(stack: ExitStack, server: EmbeddedPostgres) -> psycopg.Connection[Any]:
        return stack.enter_context(connect(server.url()))


def wal_writer(connection: psycopg.Connection[Any]) -> int:
    """The process that brings to the disk what commits did not wait for."""
    statement = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'"
    (found,) = connection.execute(statement).fetchone() or (0,)
    return int(found)


def copy(primary: EmbeddedPostgres, standby: EmbeddedPostgres, *, is_standby: bool = True) -> None:
    """Make a server's data as its account, from the running primary: its standby, or a backup."""
    binaries = find_binaries()
    data = standby.base / "data"
    account = places.server_account(data)
    if account:
        binaries = reachable_binaries(binaries, version_of(binaries))
    data.mkdir(mode=0o700)
    command = [
        str(binaries / "pg_basebackup"),
        f"--pgdata={data}",
        f"--dbname={primary.url().set(drivername='postgresql').render_as_string()}",
        *(["--write-recovery-conf"] if is_standby else []),
        "--checkpoint=fast",
        "--no-sync",
    ]
    as_account: dict[str, Any] = {}
    if account:
        os.chown(data, *account)
        as_account = {"user": account[0], "group": account[1], "extra_groups": []}
    subprocess.run(command, check=True, cwd="/", capture_output=True, timeout=60, **as_account)  # noqa: S603  # PostgreSQL's own
