"""A read replica, and what it may still show though this process has deleted it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from runmanager.queries.catalog import replication
from runmanager.queries.catalog.hints import read_hints

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

    import sqlalchemy as sa

    from runmanager.database import Database
    from runmanager.host.values import Hints, Host

# As many as the largest deletion has. Each reading statement carries the ids that are remembered.
MAX_HIDDEN = 10_000
# Without a position to wait for: after logical replication, which has none that can be compared.
FORGET_SECONDS = 3600.0


@dataclass
class _Deletion:
    """Runs that went in one commit, and a position in the primary's log that is behind it.

    ``thread_ids`` is None where there were too many to remember.
    """

    thread_ids: frozenset[str] | None
    at: float
    written: int | None = None


class Replica:
    """Reads a replica without the runs that were deleted on the primary and it still has."""

    def __init__(self, database: Database, host: Host) -> None:
        self._database = database
        self.hints = self._read_hints(host)
        self._lock = threading.Lock()
        self._deletions: list[_Deletion] = []

    def remember(self, thread_ids: Iterable[str]) -> None:
        """Take note of runs whose deletion the primary has committed."""
        deletion = _Deletion(frozenset(thread_ids), time.monotonic())
        with self._lock:
            self._deletions.append(deletion)
            if sum(len(one.thread_ids or ()) for one in self._deletions) > MAX_HIDDEN:
                self._deletions = [_Deletion(None, deletion.at)]

    def forget(self, thread_ids: Iterable[str]) -> None:
        """Take note of runs that are back: the replica has them as they were, or has them again."""
        back = frozenset(thread_ids)
        with self._lock:
            for one in self._deletions:
                if one.thread_ids is not None:
                    one.thread_ids -= back

    def note_position(self, primary: sa.Connection) -> None:
        """Learn from the primary which position is behind what was deleted up to now."""
        with self._lock:
            unplaced = [one for one in self._deletions if one.written is None]
        if unplaced:
            position = replication.written(primary)
            for one in unplaced:
                one.written = position

    def hidden(self, reader: str) -> frozenset[str] | None:
        """The ids that the replica may still show; None where they are too many to leave out.

        It must be asked before the transaction that leaves them out begins: what is forgotten here
        has been replayed, so that every later snapshot is without it.
        """
        with self._lock:
            if not self._deletions:
                return frozenset()
        with self.read(reader) as connection:
            replayed = replication.replayed(connection)
        now = time.monotonic()
        with self._lock:
            self._deletions = [
                one for one in self._deletions if not _is_settled(one, replayed, now)
            ]
            remembered = [one.thread_ids for one in self._deletions]
        known = [thread_ids for thread_ids in remembered if thread_ids is not None]
        return frozenset(chain(*known)) if len(known) == len(remembered) else None

    def read(
        self, reader: str | None = None, seconds: float | None = None
    ) -> AbstractContextManager[sa.Connection]:
        """A transaction of Database.read(), on the replica."""
        return self._database.read(reader, seconds=seconds)

    def look_again(self, host: Host) -> None:
        """Learn anew what the indexes of the replica are good for, where the schema has changed."""
        self.hints = self._read_hints(host)

    def close(self) -> None:
        """Close every connection that is not in use."""
        self._database.close()

    def _read_hints(self, host: Host) -> Hints:
        with self.read() as connection:
            return read_hints(connection, host)


def _is_settled(deletion: _Deletion, replayed: int | None, now: float) -> bool:
    if replayed is None or deletion.written is None:
        return now - deletion.at > FORGET_SECONDS
    return replayed >= deletion.written
