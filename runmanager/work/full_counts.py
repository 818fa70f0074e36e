"""Counting all of many runs: in a thread of its own, with a time limit, until somebody stops it."""

from __future__ import annotations

import logging
import threading
import uuid
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from runmanager.database import cancel
from runmanager.errors import CountNotFoundError, RunManagerError
from runmanager.logs import report, told
from runmanager.queries.listing.conditions import select_by
from runmanager.queries.listing.totals import count_all
from runmanager.records import CountState, CountView

if TYPE_CHECKING:
    from collections.abc import Callable

    import sqlalchemy as sa

    from runmanager.filters import RunFilter
    from runmanager.host.values import Reading
    from runmanager.records import Actor

MAX_AT_ONCE = 1
MAX_KEPT = 50
MAX_SECONDS = 60.0
READER = "counts"
logger = logging.getLogger(__name__)


class Read(Protocol):
    """Asks ``question`` in a transaction for the actor.

    ``reader`` is whose share of the connections it takes: not the actor's, who looks on meanwhile.
    """

    def __call__(
        self, actor: Actor, question: Callable[[Reading], None], *, seconds: float, reader: str
    ) -> None:
        """Raises NotAdminError for somebody who is no admin any more."""


@dataclass
class _Count:
    count_id: str
    actor: Actor
    state: CountState = CountState.RUNNING
    total: int | None = None
    message: str = ""
    is_stopped: bool = False
    connection: sa.Connection | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def view(self) -> CountView:
        with self.lock:
            return CountView(self.count_id, self.state, self.total, self.message)

    def begin(self, connection: sa.Connection) -> bool:
        """Let ``connection`` be cancelled from now on; False where it was stopped before."""
        with self.lock:
            self.connection = None if self.is_stopped else connection
            return not self.is_stopped

    def end(self, state: CountState, total: int | None = None, message: str = "") -> None:
        with self.lock:
            self.connection = None
            self.state, self.total, self.message = state, total, message

    def stop(self) -> None:
        with self.lock:
            self.is_stopped = True
            # Under the lock: the connection must not be somebody else's by now.
            if self.connection is not None:
                cancel(self.connection)


class FullCounts:
    """The counts of this process: one at work, and one for each actor; others wait their turn."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._known: OrderedDict[str, _Count] = OrderedDict()
        self._threads = ThreadPoolExecutor(MAX_AT_ONCE, thread_name_prefix="count")

    def start(self, actor: Actor, run_filter: RunFilter) -> CountView:
        """Start counting the runs of ``run_filter``; the actor's count before is stopped."""
        count = _Count(uuid.uuid4().hex, actor)
        with self._lock:
            before = [one for one in self._known.values() if one.actor.user_id == actor.user_id]
            self._known[count.count_id] = count
            while len(self._known) > MAX_KEPT:
                before.append(self._known.popitem(last=False)[1])
        for one in before:
            one.stop()
        self._threads.submit(self._run, count, run_filter)
        return count.view()

    def view(self, actor: Actor, count_id: str) -> CountView:
        """The actor's count as it stands. Raises CountNotFoundError for any other."""
        return self._own(actor, count_id).view()

    def stop(self, actor: Actor, count_id: str) -> None:
        """Stop the actor's count at once."""
        self._own(actor, count_id).stop()

    def close(self) -> None:
        """Stop every count, and wait for that."""
        with self._lock:
            known = list(self._known.values())
        for count in known:
            count.stop()
        self._threads.shutdown(wait=True)

    def _own(self, actor: Actor, count_id: str) -> _Count:
        with self._lock:
            count = self._known.get(count_id)
        if count is None or count.actor.user_id != actor.user_id:
            raise CountNotFoundError
        return count

    def _run(self, count: _Count, run_filter: RunFilter) -> None:
        def question(reading: Reading) -> None:
            if count.begin(reading.connection):
                count.end(CountState.FINISHED, count_all(select_by(reading, run_filter)))
            else:
                count.end(CountState.STOPPED)

        try:
            self._read(count.actor, question, seconds=MAX_SECONDS, reader=READER)
        except RunManagerError as error:
            if count.is_stopped:
                count.end(CountState.STOPPED, message=error.message)
            else:
                count.end(CountState.FAILED, message=told(logger, error))
        except Exception as error:  # noqa: BLE001  nobody waits for this thread: a page watches it
            error_id = report(logger, "A count ended unexpectedly", error)
            message = f"The runs could not be counted (error {error_id})."
            count.end(CountState.FAILED, message=message)
