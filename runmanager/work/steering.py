"""What stop, pause and resume mean in each state: the columns that they change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runmanager.errors import OperationStateError
from runmanager.records import OperationState
from runmanager.store.leases import PAUSE, STOP

if TYPE_CHECKING:
    from runmanager.store.operations import StoredOperation


def stopping(operation: StoredOperation) -> dict[str, Any]:
    """Let it end for good. One that rests gets a turn for that: it is to end in a receipt."""
    _require_begun(operation)
    if operation.state is OperationState.PAUSED:
        return {"state": OperationState.QUEUED.value, "wanted": STOP, "message": None}
    if operation.owner is None:
        return {"wanted": STOP, "lease_until": None}
    return {"wanted": STOP}


def pausing(operation: StoredOperation) -> dict[str, Any]:
    """Let it rest: after its batch where it is at work, else at once."""
    _require_begun(operation)
    _require_not_stopping(operation)
    if operation.state is OperationState.RUNNING:
        return {"wanted": PAUSE}
    return {
        "state": OperationState.PAUSED.value,
        "wanted": None,
        # Whoever slept over their lease finds it gone.
        "owner": None,
        "lease_until": None,
    }


def resuming(operation: StoredOperation) -> dict[str, Any]:
    """Let it go on, or go on at once; one that was only to rest after its batch does not."""
    _require_begun(operation)
    _require_not_stopping(operation)
    if operation.state is OperationState.PAUSED:
        return {
            "state": OperationState.QUEUED.value,
            "wanted": None,
            "message": None,
            "retries": 0,
        }
    if operation.owner is None:
        return {"wanted": None, "lease_until": None}
    return {"wanted": None}


def _require_begun(operation: StoredOperation) -> None:
    if operation.state is OperationState.FINISHED:
        raise OperationStateError("This operation has ended already: its receipt says how.")
    if operation.state is OperationState.PLANNED:
        raise OperationStateError("This is a plan that was not started: start it first.")


def _require_not_stopping(operation: StoredOperation) -> None:
    if operation.wanted == STOP:
        raise OperationStateError("This operation is being stopped already: wait for its receipt.")
