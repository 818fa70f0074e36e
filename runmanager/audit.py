"""The audit log: one JSON line on the logger ``runmanager.audit`` for each deletion."""

from __future__ import annotations

import json
import logging
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runmanager.records import DeletionPlan, Receipt

logger = logging.getLogger("runmanager.audit")


class Door(Enum):
    """How a deletion came in."""

    PAGE = "page"
    API = "api"


def log_deletion(door: Door, plan: DeletionPlan, receipt: Receipt) -> None:
    """Write who deleted what, how, and what became of it."""
    line = {
        "event": "deletion",
        "time": receipt.started_at.isoformat(),
        "actor": receipt.actor.username,
        "actor_id": receipt.actor.user_id,
        "how": door.value,
        "asked": plan.asked,
        "include_running": plan.include_running,
        "left_out": [run.thread_id for run in plan.excluded],
        "deleted": len(receipt.deleted),
        "failed": [{"thread_id": run.thread_id, "error": run.error} for run in receipt.failed],
        "rows": dict(receipt.tables),
        "seconds": round(receipt.seconds, 3),
        "stopped": receipt.was_stopped,
    }
    # One line whatever the ids hold: json escapes line breaks and all that is not ASCII.
    logger.info("%s", json.dumps(line))
