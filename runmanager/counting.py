"""Counting all of many runs: in a thread of its own, with a time limit, until somebody stops it."""

from __future__ import annotations

import logging
import threading
import uuid
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runmanager.errors import CountNotFoundError, RunManagerError
from runmanager.queries.conditions import select_by
from runmanager.queries.counts import count_all
from runmanager.records import CountState, CountView

if TYPE_CHECKING:
    from runmanager.database import Database, Reading
    from runmanager.filters import RunFilter
    from runmanager.host import Host
    from runmanager.records import Actor

MAX_AT_ONCE = 2
MAX_KEPT = 50
MAX_SECONDS = 60.0
logger = logging.getLogger(__name__)


@dataclass
class _Count:
    count_id: str
    actor: Actor
    state: CountState = CountState.RUNNING
    total: int | None = None
    message: str = ""
    is_stopped: bool = False
    reading: Reading | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def view(self) -> CountView:
        with self.lock:
            return CountView(self.count_id, self.state, self.total, self.message)

    def end(self, state: CountState, total: int | None = None, message: str = "") -> None:
        with self.lock:
            self.reading = None
            self.state, self.total, self.message = state, total, message

    def stop(self) -> None:
        with self.lock:
            self.is_stopped = True
            # Under the lock: the connection must not be somebody else's by now.
            if self.reading is not None:
                self.reading.cancel()


class Counts:
    """The counts of this process: at most two at work, and one for each actor."""

    def __init__(self, database: Database, host: Host) -> None:
        self._database = database
        self._host = host
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
        try:
            with self._database.read_for(MAX_SECONDS) as reading:
                with count.lock:
                    count.reading = None if count.is_stopped else reading
                if count.is_stopped:
                    count.end(CountState.STOPPED)
                    return
                selection = select_by(reading.connection, self._host, run_filter)
                total = count_all(reading.connection, selection)
                count.end(CountState.FINISHED, total)
        except RunManagerError as error:
            state = CountState.STOPPED if count.is_stopped else CountState.FAILED
            count.end(state, message=error.message)
        except Exception as error:  # noqa: BLE001  nobody waits for this thread: a page watches it
            logger.error("A count ended unexpectedly: %s", type(error).__name__)  # noqa: TRY400  a traceback could carry values
            count.end(CountState.FAILED, message="The runs could not be counted.")
