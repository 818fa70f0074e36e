"""The audit log: one JSON line on the logger ``runmanager.audit`` for each operation."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from runmanager.records import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runmanager.records import Receipt

logger = logging.getLogger("runmanager.audit")


__all__ = ["Origin", "log_end", "log_start"]


def log_operation(origin: Origin, details: Mapping[str, Any], receipt: Receipt) -> None:
    """Write who did what, from where, and what became of it. ``details`` are its kind's own."""
    line = {
        "event": receipt.kind.name,
        "time": receipt.started_at.isoformat(),
        "actor": receipt.actor.username,
        "actor_id": receipt.actor.user_id,
        "how": origin.value,
        **details,
        receipt.kind.done: len(receipt.done),
        "failed": [{"thread_id": run.thread_id, "error": run.error} for run in receipt.failed],
        "rows": dict(receipt.tables),
        **receipt.facts,
        "seconds": round(receipt.seconds, 3),
        "stopped": receipt.was_stopped,
    }
    # One line whatever the ids hold: json escapes line breaks and all that is not ASCII.
    logger.info("%s", json.dumps(line))
