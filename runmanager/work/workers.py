"""The threads that work on operations: one that claims, one a turn, and one that renews leases."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runmanager.errors import LeaseLostError, StoreError
from runmanager.logs import report
from runmanager.store import leases, operations
from runmanager.store.leases import Lease, Wish
from runmanager.work.turns import Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runmanager.store import Store
    from runmanager.store.operations import StoredOperation
    from runmanager.tasks import Kind
    from runmanager.work.turns import Settlement

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pace:
    """How long things take, in seconds: shorter in tests only.

    A lease is renewed long before it lapses. ``tell``: how often at the most progress is written.
    ``poll``: how often what others left or queued is looked for. ``away``: how long the store is
    not asked for a view again after it did not answer.
    """

    lease: float = 15.0
    renew: float = 3.0
    tell: float = 1.0
    poll: float = 1.0
    away: float = 2.0
    closing: float = 30.0


class Workers:
    """What of all operations is at work in this process, and the threads for it.

    ``see`` is told how each stands that began or ended here.
    """

    def __init__(
        self,
        store: Store,
        kinds: Mapping[str, Kind],
        owner: str,
        at_once: int,
        pace: Pace,
        see: Callable[[StoredOperation], object],
    ) -> None:
        # Held while something is asked of an operation, and while one is claimed: neither misses
        # the other.
        self.steering = threading.Lock()
        self._store = store
        self._kinds = kinds
        self._owner = owner
        self._at_once = at_once
        self._pace = pace
        self._see = see
        # Guards what follows, and tells whoever waits that some of it has changed.
        self._changed = threading.Condition()
        self._turns: dict[str, Turn] = {}
        self._threads: set[threading.Thread] = set()
        self._has_called = False
        self._closing = threading.Event()
        self._closed = threading.Event()
        # What they do survives their end at any moment: the process need not wait for them.
        self._dispatcher = threading.Thread(target=self._dispatch, name="operations", daemon=True)
        self._heart = threading.Thread(target=self._beat, name="operations' leases", daemon=True)

    def start(self) -> None:
        """Begin to take up operations."""
        self._dispatcher.start()
        self._heart.start()

    def call(self) -> None:
        """Let the dispatcher look at once, and whoever waits look again."""
        with self._changed:
            self._has_called = True
            self._changed.notify_all()

    def turn(self, operation_id: str) -> Turn | None:
        """The turn at an operation that is at work here."""
        return self._turns.get(operation_id)

    def wait_for(self, operation_id: str, is_over: Callable[[], bool]) -> bool:
        """Wait a moment for a change, unless ``is_over``; whether nothing more comes from here."""
        with self._changed:
            is_left = self._closing.is_set() and operation_id not in self._turns
            if not is_left and not is_over():
                self._changed.wait(self._pace.poll)
            return is_left

    def begin_closing(self) -> None:
        """Let what is at work end after its batch; nothing else begins."""
        self._closing.set()
        self.call()

    def close(self) -> None:
        """Wait until what is at work has ended after its batch."""
        self.begin_closing()
        deadline = time.monotonic() + self._pace.closing
        if self._dispatcher.ident is not None:
            self._dispatcher.join(self._pace.closing)
        with self._changed:
            threads = tuple(self._threads)
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._closed.set()
        if self._heart.ident is not None:
            self._heart.join()

    # The dispatcher's thread: it claims, and starts a thread for each turn -----------------------

    def _dispatch(self) -> None:
        is_quiet = True
        while not self._closing.is_set():
            with self._changed:
                is_called, self._has_called = self._has_called, False
            try:
                while not self._closing.is_set() and self._take_up(is_sure=is_called):
                    pass
            except StoreError as error:
                if is_quiet:
                    logger.warning("No operation can begin now: %s", error.message)
                is_quiet = False
            except Exception as error:  # noqa: BLE001  others are to begin all the same
                report(logger, "No operation could begin", error)
            else:
                is_quiet = True
            with self._changed:
                if not self._has_called and not self._closing.is_set():
                    self._changed.wait_for(self._is_called, self._pace.poll)

    def _is_called(self) -> bool:
        return self._has_called or self._closing.is_set()

    def _take_up(self, *, is_sure: bool) -> bool:
        with self._changed:
            here = tuple(self._turns)
        # One more than at work, for those that are only to be stopped.
        if len(here) > self._at_once:
            return False
        is_full = len(here) == self._at_once
        wish = Wish(self._kinds, here, self._at_once, only_stopped=is_full)
        if not is_sure:
            with self._store.read() as connection:
                if not leases.is_any(connection, wish):
                    return False
        with self.steering:
            with self._store.write() as connection:
                claimed = leases.claim(connection, wish, self._owner, self._pace.lease)
            if claimed is None:
                return False
            found, spec = claimed
            lease = Lease(found.operation_id, self._owner, found.epoch)
            turn = Turn(self._store, lease, found, spec, self._closing)
            with self._changed:
                self._turns[found.operation_id] = turn
        self._see(found)
        self._begin(turn)
        return True

    def _begin(self, turn: Turn) -> None:
        name = f"operation {turn.lease.operation_id}"
        thread = threading.Thread(target=self._work, args=(turn,), name=name, daemon=True)
        with self._changed:
            self._threads.add(thread)
        try:
            thread.start()
        except BaseException:
            # Nobody is at work on it: its lease must lapse.
            self._end(turn, thread)
            raise

    # A turn's thread -----------------------------------------------------------------------------

    def _work(self, turn: Turn) -> None:
        try:
            settlement = turn.run(self._kinds[turn.operation.kind])
            if settlement is not None:
                self._settle(turn, settlement)
        finally:
            self._end(turn, threading.current_thread())

    def _end(self, turn: Turn, thread: threading.Thread) -> None:
        with self._changed:
            del self._turns[turn.lease.operation_id]
            self._threads.discard(thread)
        self.call()

    def _settle(self, turn: Turn, settlement: Settlement) -> None:
        """Write how a turn ended, for as long as the store does not take it."""
        while True:
            try:
                with self._store.write() as connection:
                    settlement(connection)
                    found = operations.find(connection, turn.lease.operation_id)
            except LeaseLostError as error:
                logger.warning("An operation left here: %s", error.message)
                return
            except StoreError:
                # Whoever comes next goes on: its lease lapses, and its files say how far it is.
                if self._closing.wait(self._pace.tell):
                    return
            else:
                if found is not None:
                    self._see(found)
                return

    # The heart's thread --------------------------------------------------------------------------

    def _beat(self) -> None:
        while not self._closed.wait(min(self._pace.tell, self._pace.renew)):
            try:
                self._renew()
            except StoreError:
                # The dispatcher says so; a lease that lapses meanwhile is found to be lost.
                continue
            except Exception as error:  # noqa: BLE001  it has to go on beating
                report(logger, "Leases could not be renewed", error)

    def _renew(self) -> None:
        with self._changed:
            turns = tuple(self._turns.values())
        now = time.monotonic()
        # Half a beat early rather than half a beat late.
        before = now - self._pace.renew + self._pace.tell / 2
        due = [turn for turn in turns if turn.has_news or turn.renewed_at <= before]
        if not due:
            return
        with self._store.write() as connection:
            for turn in due:
                turn.renew(connection, self._pace.lease)
        for turn in due:
            turn.was_renewed()
