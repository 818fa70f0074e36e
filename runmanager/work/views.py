"""Operations as they are seen, and what of them is remembered for when the store does not answer.

Of an operation's spec, lists show ``sentence`` (which runs it is about), ``reason`` (the admin's
own) and ``total`` (how many runs); all else in it is its kind's own.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from runmanager.records import OperationKind, OperationState, OperationView

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runmanager.store.operations import StoredOperation

MAX_REMEMBERED = 500


def time_of(seconds: float) -> datetime:
    """The moment so many seconds after 1970 began."""
    return datetime.fromtimestamp(seconds, UTC)


def view_of(stored: StoredOperation, words: Mapping[str, OperationKind]) -> OperationView:
    """What is shown of an operation; one of a kind that has no words here by its name."""
    name = stored.kind
    unknown = OperationKind(name, doing=name, done="done", not_done="Not done", removes_runs=False)
    return OperationView(
        operation_id=stored.operation_id,
        kind=words.get(name, unknown),
        state=stored.state,
        actor=stored.actor,
        origin=stored.origin,
        total=stored.total,
        done=stored.done,
        failed=stored.failed,
        created_at=time_of(stored.created_at),
        started_at=_time_or_none(stored.started_at),
        ended_at=_time_or_none(stored.ended_at),
        sentence=stored.sentence,
        reason=stored.reason,
        wanted=stored.wanted,
        message=stored.message,
        interruptions=stored.interruptions,
        parent=stored.parent,
        archive_bytes=stored.archive_bytes,
        archive_until=_time_or_none(stored.archive_until),
        purged_at=_time_or_none(stored.purged_at),
        summary=stored.summary,
    )


class LastSeen:
    """The operations that were seen last, as they stood then."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._views: OrderedDict[str, OperationView] = OrderedDict()

    def put(self, view: OperationView) -> OperationView:
        """Remember ``view``; what has finished stays so, whoever looked before and comes later."""
        with self._lock:
            known = self._views.get(view.operation_id)
            if known is None or view.is_over or not known.is_over:
                self._views[view.operation_id] = view
            self._views.move_to_end(view.operation_id)
            while len(self._views) > MAX_REMEMBERED:
                self._views.popitem(last=False)
        return view

    def get(self, operation_id: str) -> OperationView | None:
        """How it stood when it was last seen; None where nobody here has seen it."""
        with self._lock:
            return self._views.get(operation_id)


def _time_or_none(seconds: float | None) -> datetime | None:
    return None if seconds is None else time_of(seconds)


UNFINISHED = (
    OperationState.QUEUED,
    OperationState.RUNNING,
    OperationState.PAUSED,
    OperationState.INTERRUPTED,
)
