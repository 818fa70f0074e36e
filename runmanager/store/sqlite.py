"""The store as a SQLite file in a folder of its own."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
import threading
import time
from contextlib import closing, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import sqlalchemy as sa

from runmanager.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runmanager.store.identity import HostIdentity

FILE = "runmanager.sqlite"
BUSY_SECONDS = 5.0
OPEN_SECONDS = 30.0
_POOL_SIZE = 8
_PAUSE_SECONDS = 0.02
_BUSY = f"is busy, as somebody has been writing for {BUSY_SECONDS:g} seconds: try again in a moment"
_DAMAGED = (
    f"is damaged: stop Run Manager, put a backup of {FILE} in its place or move it away, and start "
    "again"
)
_READ_ONLY = (
    "cannot be written, and nothing was: let Run Manager's account write to the folder of "
    "RUNMANAGER_STATE_DIR, and see that its disk is not mounted read-only"
)
_UNOPENED = (
    "cannot be opened: see that its file is still in the folder of RUNMANAGER_STATE_DIR, then "
    "restart Run Manager"
)
# By primary result code, https://www.sqlite.org/rescode.html
_SENTENCES = {
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_FULL: (
        "has no room left, and nothing was written: make room on the disk of RUNMANAGER_STATE_DIR, "
        "then try again"
    ),
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_CANTOPEN: _UNOPENED,
    sqlite3.SQLITE_IOERR: (
        "could not be read or written by its disk: see that the disk of RUNMANAGER_STATE_DIR is "
        "whole and has room, then try again"
    ),
}
_OTHERWISE = "did not do this: try again, and if it stays so, restart Run Manager"


class SqliteStore:
    """One file, for the threads of a process and for several processes on one machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.expanduser().absolute()
        self._file = self._folder / FILE
        self.name = f"Run Manager's store ({self._file})"
        # Writers of this process wait in line here: SQLite's own waiting is a poll, which is unfair
        # to who has waited longest.
        self._writing = threading.Lock()
        self.engine = sa.create_engine(
            "sqlite+pysqlite://",
            creator=partial(_connect, self._file),
            poolclass=sa.QueuePool,
            pool_size=_POOL_SIZE,
            max_overflow=0,
            pool_timeout=BUSY_SECONDS,
        )
        sa.event.listen(self.engine, "begin", _begin)
        self._writer = self.engine.execution_options(is_writing=True)

    @contextmanager
    def opening(self) -> Iterator[None]:
        """Make folder and file ready; inside the block nobody else opens this store.

        Raises StartError where they cannot be used.
        """
        _prepare_folder(self._folder)
        with _locked(self._folder):
            _prepare_file(self._file)
            yield

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that sees one state of the store and cannot write."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that has the store's write lock from its first statement on."""
        if not self._writing.acquire(timeout=BUSY_SECONDS):
            raise sa.exc.TimeoutError
        try:
            with self._writer.connect() as connection, connection.begin():
                yield connection
        finally:
            self._writing.release()

    def check(self, connection: sa.Connection, _host: HostIdentity) -> None:
        """Raises StartError for a damaged file."""
        if connection.exec_driver_sql("PRAGMA quick_check(1)").scalar() != "ok":
            raise StartError(f"Cannot start: {self.name} {_DAMAGED}.")

    def explain(self, error: Exception) -> str:
        """What an error of the driver means, and what to do: the rest of a sentence."""
        if isinstance(error, sa.exc.TimeoutError):
            return _BUSY
        code = getattr(getattr(error, "orig", error), "sqlite_errorcode", None)
        return _OTHERWISE if code is None else _SENTENCES.get(code & 0xFF, _OTHERWISE)


def _connect(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        # Never made here: a file that is gone while we run is said to be, not begun anew.
        f"{file.as_uri()}?mode=rw",
        uri=True,
        timeout=BUSY_SECONDS,
        # Transactions are begun by _begin().
        isolation_level=None,
        # The pool hands a connection from thread to thread, to one at a time.
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        # Not NORMAL: after a power cut a sign-out that was answered must still hold.
        connection.execute("PRAGMA synchronous = FULL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _begin(connection: sa.Connection) -> None:
    is_writing = connection.get_execution_options().get("is_writing", False)
    connection.exec_driver_sql(f"PRAGMA query_only = {'OFF' if is_writing else 'ON'}")
    # Immediate: a writer that began as a reader would fail at once where another has written since.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writing else "BEGIN")


def _prepare_folder(folder: Path) -> None:
    """Make the folder, or make sure that the one there is ours alone.

    One that is open to others is refused and not closed: it may be /tmp.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except OSError as error:
        raise _unusable(folder, error) from None
    if found.st_uid != os.geteuid():
        raise StartError(
            f"Cannot start: the folder {folder}, where Run Manager keeps its own data, belongs to "
            "another account: give it to Run Manager's, or name a folder in RUNMANAGER_STATE_DIR "
            "that is not there yet."
        )
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise StartError(
            f"Cannot start: the folder {folder}, where Run Manager keeps its own data, is open to "
            "others: run `chmod 700` on it, or name a folder in RUNMANAGER_STATE_DIR that is not "
            "there yet."
        )


def _prepare_file(file: Path) -> None:
    try:
        with suppress(FileExistsError):
            os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        # By its path: closing a descriptor of a file that this process has open in SQLite would
        # take SQLite's locks away.
        file.chmod(stat.S_IMODE(file.stat().st_mode) & 0o700)
    except OSError as error:
        raise _unusable(file.parent, error) from None
    with closing(_connect(file)) as connection:
        # It stays so, and readers and the writer do not wait for each other.
        connection.execute("PRAGMA journal_mode = WAL")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep others from opening the store in this folder; it ends with the process at the latest."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise _unusable(folder, error) from None
    try:
        deadline = time.monotonic() + OPEN_SECONDS
        while not _lock(descriptor):
            if time.monotonic() > deadline:
                raise StartError(
                    f"Cannot start: another process has been opening the store in {folder} for "
                    f"{OPEN_SECONDS:g} seconds: end it, then start again."
                )
            time.sleep(_PAUSE_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _unusable(folder: Path, error: OSError) -> StartError:
    return StartError(
        f"Cannot start: Run Manager cannot keep its own data in {folder} ({error.strerror}): let "
        "its account write there, or name another folder in RUNMANAGER_STATE_DIR."
    )
