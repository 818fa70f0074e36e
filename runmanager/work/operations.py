"""Operations: what is done to many runs, in threads of their own, whatever becomes of the page."""

from __future__ import annotations

import logging
import threading
import uuid
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from runmanager.audit import Origin, log_operation
from runmanager.errors import DatabaseError, OperationNotFoundError
from runmanager.logs import report
from runmanager.records import Actor, FailedRun, OperationState, OperationView, Receipt

if TYPE_CHECKING:
    from collections.abc import Callable

    from runmanager.database import Database
    from runmanager.host.values import Host
    from runmanager.records import OperationKind

# A receipt of 10,000 runs takes some megabytes.
MAX_KEPT = 20
logger = logging.getLogger(__name__)


class Work(Protocol):
    """What an operation does, whatever its kind: a deletion, for one."""

    @property
    def kind(self) -> OperationKind:
        """What it does, in words."""

    @property
    def thread_ids(self) -> tuple[str, ...]:
        """Every id that its receipt accounts for."""

    def audit_details(self) -> dict[str, Any]:
        """What the audit log says besides what every receipt has."""

    def carry_out(
        self,
        database: Database,
        host: Host,
        actor: Actor,
        *,
        on_progress: Callable[[int, int], None],
        should_stop: Callable[[], bool],
    ) -> Receipt:
        """Do it, and say what became of every run."""


@dataclass
class _Operation:
    operation_id: str
    actor: Actor
    work: Work
    origin: Origin
    done: int = 0
    failed: int = 0
    receipt: Receipt | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    finished: threading.Event = field(default_factory=threading.Event)

    def view(self) -> OperationView:
        receipt = self.receipt
        return OperationView(
            operation_id=self.operation_id,
            kind=self.work.kind,
            state=OperationState.RUNNING if receipt is None else OperationState.FINISHED,
            total=len(self.work.thread_ids),
            done=self.done,
            failed=self.failed,
            is_stopping=self.stop.is_set() and receipt is None,
            receipt=receipt,
        )


class Operations:
    """The operations of this process: the running ones, and the last 20 that finished."""

    def __init__(self, database: Database, current_host: Callable[[], Host]) -> None:
        self._database = database
        self._current_host = current_host
        self._lock = threading.Lock()
        self._known: OrderedDict[str, _Operation] = OrderedDict()
        self._threads = ThreadPoolExecutor(database.max_operations, thread_name_prefix="operation")

    def start(self, actor: Actor, work: Work, origin: Origin = Origin.PAGE) -> OperationView:
        """Start ``work``; at most two operations run at once, others wait their turn."""
        operation = _Operation(uuid.uuid4().hex, actor, work, origin)
        with self._lock:
            self._known[operation.operation_id] = operation
            finished = [key for key, one in self._known.items() if one.receipt is not None]
            for key in finished[: max(0, len(self._known) - MAX_KEPT)]:
                del self._known[key]
        self._threads.submit(self._run, operation)
        return operation.view()

    def view(self, actor: Actor, operation_id: str) -> OperationView:
        """The actor's operation as it stands. Raises OperationNotFoundError for any other."""
        return self._own(actor, operation_id).view()

    def receipt(self, actor: Actor, operation_id: str) -> Receipt:
        """The receipt of the actor's operation, once it has finished; it is forgotten with this."""
        operation = self._own(actor, operation_id)
        operation.finished.wait()
        with self._lock:
            self._known.pop(operation_id, None)
        return operation.receipt or _lost(operation, DatabaseError().message)

    def running(self, actor: Actor) -> tuple[OperationView, ...]:
        """The operations that the actor started from a page and that have not finished."""
        with self._lock:
            own = [
                one
                for one in self._known.values()
                if one.actor.user_id == actor.user_id and one.origin is Origin.PAGE
            ]
        return tuple(one.view() for one in own if one.receipt is None)

    def stop(self, actor: Actor, operation_id: str) -> None:
        """Let the operation end after its present batch; the rest is reported as not done."""
        self._own(actor, operation_id).stop.set()

    def close(self) -> None:
        """End every operation after its present batch, and wait for that."""
        with self._lock:
            for operation in self._known.values():
                operation.stop.set()
        self._threads.shutdown(wait=True)

    def _own(self, actor: Actor, operation_id: str) -> _Operation:
        with self._lock:
            operation = self._known.get(operation_id)
        if operation is None or operation.actor.user_id != actor.user_id:
            raise OperationNotFoundError
        return operation

    def _run(self, operation: _Operation) -> None:
        def on_progress(done: int, failed: int) -> None:
            operation.done, operation.failed = done, failed

        work = operation.work
        try:
            receipt = work.carry_out(
                self._database,
                self._current_host(),
                operation.actor,
                on_progress=on_progress,
                should_stop=operation.stop.is_set,
            )
        except Exception as error:  # noqa: BLE001  see below
            # Nobody waits for this thread: whatever it met must end in a receipt, or the page
            # would watch for ever.
            error_id = report(logger, f"A {work.kind.name} ended unexpectedly", error)
            what_happened = f"Run Manager met an error of its own (error {error_id})."
            receipt = _lost(operation, what_happened)
        log_operation(operation.origin, work.audit_details(), receipt)
        # The receipt last: whoever sees it finds the numbers settled.
        on_progress(len(work.thread_ids), len(receipt.failed))
        operation.receipt = receipt
        operation.finished.set()


def _lost(operation: _Operation, what_happened: str) -> Receipt:
    reason = f"{what_happened} What became of this run is not known: look it up."
    return Receipt(
        kind=operation.work.kind,
        actor=operation.actor,
        started_at=datetime.now(UTC),
        seconds=0.0,
        done=(),
        failed=tuple(
            FailedRun(thread_id, thread_id, reason) for thread_id in operation.work.thread_ids
        ),
        tables=(),
        was_stopped=True,
    )
