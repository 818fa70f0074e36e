"""A turn: one operation at work in this process, from when it was claimed until it is let go."""

from __future__ import annotations

import logging
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from runmanager.errors import (
    ArchiveError,
    DatabaseAwayError,
    DatabaseTooSlowError,
    FileMissingError,
    InterruptedOperationError,
    LeaseLostError,
    RunManagerError,
    StoreError,
)
from runmanager.logs import report, told
from runmanager.records import Origin
from runmanager.store import leases
from runmanager.tasks import Ending, Task
from runmanager.work.views import time_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    import sqlalchemy as sa

    from runmanager.store import Store
    from runmanager.store.leases import Lease
    from runmanager.store.operations import StoredOperation
    from runmanager.tasks import Finished, Kind

    Settlement = Callable[[sa.Connection], None]

FIRST_WAIT_SECONDS = 5.0
LONGEST_WAIT_SECONDS = 60.0
# What may well be over in a while: it is gone on with by itself.
_PASSING = (InterruptedOperationError, StoreError, DatabaseAwayError, DatabaseTooSlowError)
logger = logging.getLogger(__name__)


class Turn:
    """What the kind hears of the outside while it is at work (its Control), and is heard by."""

    def __init__(
        self,
        store: Store,
        lease: Lease,
        operation: StoredOperation,
        spec: Mapping[str, Any] | None,
        closing: threading.Event,
    ) -> None:
        self.lease = lease
        self.operation = operation
        self.done, self.failed = operation.done, operation.failed
        self.renewed_at = time.monotonic()
        self._told = self._telling = self.done, self.failed
        self._spec = spec
        self._store = store
        self._closing = closing
        self._lock = threading.Lock()
        self._wanted = _ending(operation.wanted)
        self._asked = 0
        self._is_lost = False
        self._has_heard = False

    # For the kind --------------------------------------------------------------------------------

    def ending(self) -> Ending | None:
        """Why it is to end after its present batch. Raises LeaseLostError once that is known."""
        with self._lock:
            if self._is_lost:
                raise LeaseLostError
            found = Ending.SHUTDOWN if self._closing.is_set() else self._wanted
            self._has_heard = self._has_heard or found is not None
            return found

    def require_lease(self) -> None:
        """Raises LeaseLostError where another instance has it, or may; the store is asked."""
        with self._store.read() as connection:
            if not leases.is_held(connection, self.lease):
                raise LeaseLostError

    def tell(self, done: int, failed: int) -> None:
        """Say how far it is; the store hears of it in a moment."""
        self.done, self.failed = done, failed

    # For the engine ------------------------------------------------------------------------------

    def hear(self, wanted: str | None, asked: int | None = None) -> None:
        """Let it know what is wanted of it by now.

        ``asked``: how often something had been asked of it here when the store was looked at.
        """
        with self._lock:
            if asked is None:
                self._asked += 1
            elif asked != self._asked:
                return
            self._wanted = _ending(wanted)

    def holds(self, found: StoredOperation) -> bool:
        """Whether the operation is its own, by what the store says."""
        return (found.owner, found.epoch) == (self.lease.owner, self.lease.epoch)

    def lose(self) -> None:
        """Let it know that another instance has it."""
        with self._lock:
            self._is_lost = True

    def renew(self, connection: sa.Connection, seconds: float) -> None:
        """Hold its lease for longer, write how far it is, and hear what others want of it."""
        asked = self._asked
        self._telling = self.done, self.failed
        try:
            wanted = leases.renew(connection, self.lease, seconds, *self._telling)
        except LeaseLostError:
            self.lose()
        else:
            self.hear(wanted, asked)

    def was_renewed(self) -> None:
        """Note that what ``renew`` wrote stands."""
        self.renewed_at = time.monotonic()
        self._told = self._telling

    @property
    def has_news(self) -> bool:
        """Whether it is farther than the store knows."""
        return self._told != (self.done, self.failed)

    def run(self, kind: Kind) -> Settlement | None:
        """Let the kind work; what is to be written of how that ended, None for nothing."""
        try:
            finished = kind.carry_out(self._task())
        except LeaseLostError as error:
            logger.warning("The %s left here: %s", self._name, error.message)
            return None
        except _PASSING as error:
            return self._interrupted(error.message)
        except RunManagerError as error:
            if self._is_over_with(error):
                return self._broken_off(told(logger, error))
            return partial(leases.pause, lease=self.lease, message=told(logger, error))
        except Exception as error:  # noqa: BLE001  nobody waits for this thread: pages watch it
            return self._paused(report(logger, f"The {self._name} met an error", error))
        return self._let_go() if finished is None else self._finished(finished)

    @property
    def _name(self) -> str:
        return f"{self.operation.kind} {self.lease.operation_id}"

    def _task(self) -> Task:
        operation = self.operation
        if self._spec is None:
            raise RunManagerError(
                "What this operation is to do cannot be read from Run Manager's store: stop it, "
                "and see who else writes there."
            )
        return Task(
            operation_id=operation.operation_id,
            actor=operation.actor,
            origin=Origin(operation.origin),
            spec=self._spec,
            parent=operation.parent,
            epoch=operation.epoch,
            total=operation.total,
            created_at=time_of(operation.created_at),
            started_at=time_of(operation.started_at or operation.created_at),
            interruptions=operation.interruptions,
            control=self,
        )

    def _finished(self, finished: Finished) -> Settlement:
        until = finished.archive_until
        self.done, self.failed = finished.done, finished.failed
        return partial(
            leases.finish,
            lease=self.lease,
            done=finished.done,
            failed=finished.failed,
            summary=finished.summary,
            archive_bytes=finished.archive_bytes,
            archive_until=None if until is None else until.timestamp(),
        )

    def _is_over_with(self, error: RunManagerError) -> bool:
        """Whether a stop ends it here: what it would need for a receipt will not come back.

        While only the archive's place is away it waits for that: what it has archived is worth it.
        """
        with self._lock:
            is_to_stop = self._wanted is Ending.STOP
        is_away = isinstance(error, ArchiveError) and not isinstance(error, FileMissingError)
        return is_to_stop and not is_away

    def _broken_off(self, why: str) -> Settlement:
        message = f"It was stopped without a receipt, and says how far it was seen to be. {why}"
        return partial(
            leases.finish,
            lease=self.lease,
            done=self.done,
            failed=self.failed,
            summary={"was_stopped": True, "broken": message},
            message=message,
        )

    def _interrupted(self, message: str) -> Settlement:
        went_on = (self.done, self.failed) != (self.operation.done, self.operation.failed)
        retries = 0 if went_on else self.operation.retries
        seconds = min(FIRST_WAIT_SECONDS * 2 ** min(retries, 10), LONGEST_WAIT_SECONDS)
        logger.warning("The %s goes on in %g s: %s", self._name, seconds, message)
        return partial(
            self._with_progress,
            partial(
                leases.interrupt,
                lease=self.lease,
                message=message,
                wait_seconds=seconds,
                retries=retries + 1,
            ),
        )

    def _paused(self, error_id: str) -> Settlement:
        message = (
            f"Run Manager met an error of its own (error {error_id}), and the operation rests: "
            "resume it to try again, or stop it."
        )
        pause = partial(leases.pause, lease=self.lease, message=message)
        return partial(self._with_progress, pause)

    def _let_go(self) -> Settlement:
        if not self._has_heard:
            error = RuntimeError("a kind of operation ended without an end and without a reason")
            return self._paused(report(logger, f"The {self._name} met an error", error))
        leave = leases.interrupt if self._closing.is_set() else leases.let_go
        return partial(self._with_progress, partial(leave, lease=self.lease))

    def _with_progress(self, settle: Settlement, connection: sa.Connection) -> None:
        leases.tell(connection, self.lease, self.done, self.failed)
        settle(connection)


def _ending(wanted: str | None) -> Ending | None:
    return None if wanted is None else Ending(wanted)
