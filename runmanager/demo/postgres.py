"""A PostgreSQL of our own: started for its first client, stopped after its last, whatever happens.

    directory/pg18/       one folder for each major version: they never mix
        data/             the cluster, made whole or not at all
        lease             held shared by every client, exclusively by a keeper that stops the server
        running           held by the keeper and by every process of the server
        sockets           the name of the directory, of mode 0700, that the server listens in
        server.log        what the server said since its last start

A client takes its lease, then looks: either the server answers, or somebody holds `running` and it
will answer soon, or nobody does and a new keeper is sent for (see keeper.py).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import subprocess
import sys
import time
import weakref
from dataclasses import asdict
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

import psycopg
from sqlalchemy import URL

from runmanager.demo import keeper, places
from runmanager.demo.binaries import (
    find_binaries,
    first_number,
    reachable_binaries,
    version_of,
)
from runmanager.errors import DemoError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["EmbeddedPostgres", "find_binaries"]

START_SECONDS = 60
_PAUSE_SECONDS = 0.02
_TELLING = re.compile(r"FATAL|PANIC|error:|Error:")  # a program may tidy up after saying why
_DEFAULTS = MappingProxyType({"timezone": "UTC", "log_timezone": "UTC"})
_NOTHING: Mapping[str, str] = MappingProxyType({})


class EmbeddedPostgres:
    """One client of the PostgreSQL that lives in `directory`.

    Any number of clients, in any number of processes, may share it. `settings` are server settings
    (`{"fsync": "off"}`); they count for the client that happens to start the server.
    """

    def __init__(self, directory: Path, *, settings: Mapping[str, str] = _NOTHING) -> None:
        self._directory = directory.expanduser().resolve()
        self._settings = {**_DEFAULTS, **settings}
        self._lease: int | None = None

    def start(self) -> Self:
        """Return once the server answers, starting it if need be.

        Raises DemoError when there is no PostgreSQL here, its files cannot be kept in the
        directory, or the server does not come up; the message has the server's own last words.
        """
        try:
            if self._lease is None:
                self._lease = self._take_lease()
                _clients.add(self)
            self._await_server()
        except BaseException as error:
            self.close()
            if isinstance(error, OSError):
                raise DemoError(f"The demo cannot keep its files: {error}.") from error
            raise
        return self

    def close(self) -> None:
        """Let go of the server; it stops by itself when no other client is left."""
        if self._lease is not None:
            os.close(self._lease)
            self._lease = None
            _clients.discard(self)

    def url(self, database: str = "postgres") -> URL:
        """Return the address of one database. Raises DemoError before the first start."""
        sockets = self._sockets()
        if sockets is None:
            raise DemoError("The demo's PostgreSQL has not been started.")
        return URL.create(
            "postgresql+psycopg",
            username=keeper.SUPERUSER,
            database=database,
            query={"host": sockets, "port": str(keeper.PORT)},
        )

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def base(self) -> Path:
        """The folder with the data, locks and log of this server. Raises DemoError or OSError."""
        home = places.home_for(self._directory)
        # Root's server runs under another account, which has to pass through to its data.
        return places.claim(
            home / f"pg{first_number(self._version)}", 0o711 if _is_root() else 0o700
        )

    @cached_property
    def _binaries(self) -> Path:
        return find_binaries()

    @cached_property
    def _version(self) -> str:
        return version_of(self._binaries)

    def _take_lease(self) -> int:
        lease = os.open(self.base / "lease", os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + START_SECONDS
        while not _locked(lease, fcntl.LOCK_SH):  # a keeper is stopping the server just now
            if time.monotonic() > deadline:
                os.close(lease)
                raise self._failure("is still stopping")
            time.sleep(_PAUSE_SECONDS)
        return lease

    def _await_server(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        sent_for_keeper = False
        while not self._answers():
            with _open_descriptor(self.base / "running") as running:
                if _locked(running, fcntl.LOCK_EX):
                    if sent_for_keeper:
                        raise self._failure("did not start")
                    self._send_for_keeper(running)
                    sent_for_keeper = True
            if time.monotonic() > deadline:
                raise self._failure(f"did not start within {START_SECONDS} s")
            time.sleep(_PAUSE_SECONDS)

    def _send_for_keeper(self, running: int) -> None:
        account = places.server_account(self.base / "data")
        binaries = self._binaries
        if account:
            binaries = reachable_binaries(binaries, self._version)
        order = keeper.Order(
            base=str(self.base),
            binaries=str(binaries),
            major=first_number(self._version),
            account=account,
            settings=self._settings,
            running=running,
        )
        command = [sys.executable, "-I", "-S", keeper.__file__, json.dumps(asdict(order))]
        quiet = subprocess.DEVNULL
        subprocess.run(  # noqa: S603  # our own program
            command, cwd="/", stdin=quiet, stdout=quiet, stderr=quiet,
            pass_fds=(running,), start_new_session=True,
            check=False,  # a keeper that fails lets go of `running`, and that is noticed
        )  # fmt: skip

    def _answers(self) -> bool:
        sockets = self._sockets()
        if sockets is None:
            return False
        try:
            psycopg.connect(
                host=sockets, port=keeper.PORT, user=keeper.SUPERUSER, dbname="postgres",
                connect_timeout=5,
            ).close()  # fmt: skip
        except psycopg.OperationalError:
            return False
        return True

    def _sockets(self) -> str | None:
        note = self.base / "sockets"
        return note.read_text() if note.exists() else None

    def _failure(self, what: str) -> DemoError:
        log = self.base / "server.log"
        text = log.read_text(errors="replace") if log.exists() else ""
        lines = [line.strip() for line in text.splitlines() if line.strip()] or ["nothing"]
        telling = [line for line in lines if _TELLING.search(line)]
        last = (telling or lines)[-1]
        return DemoError(f"The demo's PostgreSQL {what}. Its log, {log}, says last: {last}")


_clients: weakref.WeakSet[EmbeddedPostgres] = weakref.WeakSet()


def _forget_leases() -> None:
    """A forked child is not a client: a lease it held on to would keep the server up."""
    for client in list(_clients):
        client.close()


os.register_at_fork(after_in_child=_forget_leases)


def _is_root() -> bool:
    return os.geteuid() == 0


@contextlib.contextmanager
def _open_descriptor(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _locked(descriptor: int, how: int) -> bool:
    """Whether the lock could be had at once; it lasts until the descriptor's last copy closes."""
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
