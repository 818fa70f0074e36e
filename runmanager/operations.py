"""Operations: deletions that run in threads of their own, whatever becomes of the page."""

from __future__ import annotations

import logging
import threading
import uuid
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from runmanager.audit import Door, log_deletion
from runmanager.deletion import execute
from runmanager.errors import DatabaseError, OperationNotFoundError
from runmanager.records import Actor, FailedRun, OperationState, OperationView, Receipt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runmanager.database import Database
    from runmanager.host import Host
    from runmanager.records import DeletionPlan

# A receipt of 10,000 runs takes some megabytes.
MAX_KEPT = 20
logger = logging.getLogger(__name__)


@dataclass
class _Operation:
    operation_id: str
    actor: Actor
    plan: DeletionPlan
    door: Door
    done: int = 0
    failed: int = 0
    receipt: Receipt | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    finished: threading.Event = field(default_factory=threading.Event)

    def view(self) -> OperationView:
        receipt = self.receipt
        return OperationView(
            operation_id=self.operation_id,
            state=OperationState.RUNNING if receipt is None else OperationState.FINISHED,
            total=len(self.plan.thread_ids),
            done=self.done,
            failed=self.failed,
            is_stopping=self.stop.is_set() and receipt is None,
            receipt=receipt,
        )


class Operations:
    """The operations of this process: the running ones, and the last 20 that finished."""

    def __init__(
        self,
        database: Database,
        host: Host,
        *,
        on_deleted: Callable[[Iterable[str]], None] = lambda _thread_ids: None,
    ) -> None:
        self._database = database
        self._host = host
        self._on_deleted = on_deleted
        self._lock = threading.Lock()
        self._known: OrderedDict[str, _Operation] = OrderedDict()
        self._threads = ThreadPoolExecutor(database.max_deletions, thread_name_prefix="deletion")

    def start(self, actor: Actor, plan: DeletionPlan, door: Door = Door.PAGE) -> OperationView:
        """Start deleting what ``plan`` says; at most two run at once, others wait their turn."""
        operation = _Operation(uuid.uuid4().hex, actor, plan, door)
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
        return operation.receipt or _lost(operation)

    def running(self, actor: Actor) -> tuple[OperationView, ...]:
        """The operations that the actor started from a page and that have not finished."""
        with self._lock:
            own = [
                one
                for one in self._known.values()
                if one.actor.user_id == actor.user_id and one.door is Door.PAGE
            ]
        return tuple(one.view() for one in own if one.receipt is None)

    def stop(self, actor: Actor, operation_id: str) -> None:
        """Let the operation end after its present batch; the rest is reported as not deleted."""
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

        try:
            receipt = execute(
                self._database,
                self._host,
                operation.actor,
                operation.plan,
                on_progress=on_progress,
                should_stop=operation.stop.is_set,
                on_deleted=self._on_deleted,
            )
        except Exception as error:  # noqa: BLE001  see below
            # Nobody waits for this thread: whatever it met must end in a receipt, or the page
            # would watch for ever.
            logger.error("A deletion ended unexpectedly: %s", type(error).__name__)  # noqa: TRY400  a traceback could carry values
            receipt = _lost(operation)
        log_deletion(operation.door, operation.plan, receipt)
        # The receipt last: whoever sees it finds the numbers settled.
        on_progress(len(operation.plan.thread_ids), len(receipt.failed))
        operation.receipt = receipt
        operation.finished.set()


def _lost(operation: _Operation) -> Receipt:
    reason = f"{DatabaseError().message} This run may be untouched or gone: look it up."
    return Receipt(
        actor=operation.actor,
        started_at=datetime.now(UTC),
        seconds=0.0,
        deleted=(),
        failed=tuple(
            FailedRun(thread_id, thread_id, reason) for thread_id in operation.plan.thread_ids
        ),
        tables=(),
        came_back=(),
        was_stopped=True,
    )
