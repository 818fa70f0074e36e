"""The audit log: a JSON line on the logger ``runmanager.audit`` when an operation begins and ends.

The line at its beginning is written before anything is changed: whatever kills the process then,
who wanted what is known. One that is gone on with, after a pause or a crash, says so in a line of
its own, which is no second beginning. No line holds the ids of all runs, which its receipt has.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runmanager.records import Actor, OperationKind, Origin, Receipt

MAX_FAILED = 20
_LONGEST = 500
_SCHEDULE = "schedule"
logger = logging.getLogger("runmanager.audit")


def log_start(
    operation_id: str,
    kind: OperationKind,
    actor: Actor,
    origin: Origin,
    *,
    total: int,
    turn: int = 1,
    interruptions: int = 0,
    sentence: str = "",
    until: datetime | None = None,
    reason: str | None = None,
    archive: bool | None = None,
    parent: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write who wants what, from where and why, before it begins.

    ``turn`` counts the turns at it from 1: from the second on the line says "resumed" instead of
    "started". It has the same facts, because the process may have died before it wrote the first.
    ``sentence`` says which runs a filter takes, ``archive`` whether their rows are kept, ``parent``
    which operation it is about; ``details`` are its kind's own, of JSON's types and short.
    """
    _write(
        {
            "event": f"{kind.name} {'started' if turn == 1 else 'resumed'}",
            "operation": operation_id,
            "time": _text(datetime.now(UTC)),
            "actor": actor.username,
            "actor_id": actor.user_id,
            "how": origin.value,
            "runs": total,
            "filter": _cut(sentence),
            "until": _text(until),
            "reason": _cut(reason),
            "archive": archive,
            **({} if parent is None else {"of": parent}),
            **({} if turn == 1 else {"interruptions": interruptions}),
            **(details or {}),
        }
    )


def log_end(receipt: Receipt, *, details: Mapping[str, Any] | None = None) -> None:
    """Write what became of the operation; ``details`` are its kind's own, as in ``log_start``."""
    first = [
        {"thread_id": _cut(run.thread_id), "error": _cut(run.error)}
        for run in receipt.failed[:MAX_FAILED]
    ]
    _write(
        {
            "event": f"{receipt.kind.name} ended",
            "operation": receipt.operation_id,
            "time": _text(receipt.ended_at or datetime.now(UTC)),
            "actor": receipt.actor.username,
            "actor_id": receipt.actor.user_id,
            "how": receipt.origin,
            receipt.kind.done: receipt.done_count,
            "failed": receipt.failed_count,
            "first_failed": first,
            "rows": dict(receipt.tables),
            **receipt.facts,
            "seconds": round(receipt.seconds, 3),
            "stopped": receipt.was_stopped,
            "interruptions": receipt.interruptions,
            **(details or {}),
        }
    )


def log_scheduled(event: str, parent: str, runs: int, **facts: Any) -> None:
    """Write what was begun or ended without anybody asking, because its time had come.

    It is no operation: ``parent`` is the one that it is about. ``facts`` are of JSON's types.
    """
    _write(
        {
            "event": event,
            "operation": None,
            "time": _text(datetime.now(UTC)),
            "actor": _SCHEDULE,
            "actor_id": None,
            "how": _SCHEDULE,
            "runs": runs,
            "of": parent,
            **facts,
        }
    )


def log_refused(
    asked: str,
    name: str,
    origin: Origin,
    why: str,
    *,
    actor_id: str | None = None,
    operation_id: str | None = None,
) -> None:
    """Write that somebody did not get what they ``asked`` for, such as "restore".

    ``name`` is who they proved to be; ``actor_id`` is None for those who were not let in at all.
    ``operation_id`` is the operation that it was asked of, or the plan that was to be started.
    """
    _write(
        {
            "event": "refused",
            "asked": _cut(asked),
            "operation": _cut(operation_id),
            "time": _text(datetime.now(UTC)),
            "actor": _cut(name),
            "actor_id": actor_id,
            "how": origin.value,
            "why": _cut(why),
        }
    )


def _write(line: Mapping[str, Any]) -> None:
    # One line whatever the texts hold: json escapes line breaks and all that is not ASCII.
    logger.info("%s", json.dumps(line))


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.astimezone(UTC).isoformat()


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
