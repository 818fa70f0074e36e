"""Totals that were counted a moment ago, and whose turn it is to count."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from runmanager.paging import Exactness, Total

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

MAX_KEPT = 100
# A total of fewer runs is counted again each time, unless that took longer than this.
MANY = 100_000
LONG_SECONDS = 1.0


@dataclass(frozen=True)
class _Kept:
    """A total, and the snapshot in which it is exact: None where that is not known."""

    total: Total
    at: float
    snapshot: str | None


@dataclass
class Counts:
    """The totals of one host's lists that took long to count; each is kept for ``seconds``.

    As long as nothing was written to the database since, it is the total; afterwards it is about
    the total. Counts take turns: each reads a whole index, and several at once would leave no
    processor to anybody else.
    """

    seconds: float = 10.0
    _kept: OrderedDict[Hashable, _Kept] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _generation: int = 0

    def of(self, key: Hashable) -> Counted:
        """The total of the list that is called ``key``."""
        return Counted(self, key, self._generation)

    def forget(self) -> None:
        """Count everything anew: runs were deleted."""
        with self._lock:
            self._generation += 1
            self._kept.clear()

    def total(
        self,
        asked: Counted,
        connection: sa.Connection,
        seconds: Callable[[], float],
        count: Callable[[], Total],
        *,
        moves: bool = False,
    ) -> Total:
        """The total ``asked`` for: as it is known, or as ``count`` finds it in its turn.

        After ``seconds`` its turn is not waited for any longer, and it is not known. One that
        ``moves`` becomes another with time alone.
        """
        known = self._known(asked.key, connection)
        if known is not None:
            return known
        if not self._turn.acquire(timeout=seconds()):
            return Total(0, Exactness.AT_LEAST)
        try:
            # Another may have counted the same meanwhile.
            known = self._known(asked.key, connection)
            if known is not None:
                return known
            began = time.monotonic()
            total = count()
            was_long = total.count > MANY or time.monotonic() - began > LONG_SECONDS
            if total.is_exact and was_long:
                snapshot = None if moves else _snapshot(connection)
                self._keep(asked, _Kept(total, began, snapshot))
            return total
        finally:
            self._turn.release()

    def _known(self, key: Hashable, connection: sa.Connection) -> Total | None:
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and time.monotonic() - kept.at > self.seconds:
                del self._kept[key]
                return None
        if kept is None:
            return None
        if kept.snapshot is not None and kept.snapshot == _snapshot(connection):
            return kept.total
        return Total(kept.total.count, Exactness.ABOUT)

    def _keep(self, asked: Counted, kept: _Kept) -> None:
        with self._lock:
            if asked.generation != self._generation:
                return
            self._kept[asked.key] = kept
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)


@dataclass(frozen=True)
class Counted:
    """The total of one list, among those that were counted a moment ago.

    It was asked for after so many deletions: what its transaction sees may be older than a later
    one, however long it waits for its turn.
    """

    counts: Counts
    key: Hashable
    generation: int

    def total(
        self,
        connection: sa.Connection,
        seconds: Callable[[], float],
        count: Callable[[], Total],
        *,
        moves: bool = False,
    ) -> Total:
        """What ``Counts.total`` says of it."""
        return self.counts.total(self, connection, seconds, count, moves=moves)


def _snapshot(connection: sa.Connection) -> str | None:
    """Which transactions this one sees; None on a replica, which does not know.

    Two that see the same ones see the same rows.
    """
    seen = sa.cast(sa.func.txid_current_snapshot(), sa.Text)
    found: str | None = connection.scalar(
        sa.select(sa.case((sa.func.pg_is_in_recovery(), None), else_=seen))
    )
    return found
