"""What a run's status means."""

from __future__ import annotations

from enum import Enum


class StatusKind(Enum):
    """What a status means to an admin; the host's own word is always shown beside it."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    PAUSED = "paused"
    OTHER = "other"


_KINDS = {
    "running": StatusKind.RUNNING,
    "completed": StatusKind.COMPLETED,
    "error": StatusKind.FAILED,
    "failed": StatusKind.FAILED,
    "paused": StatusKind.PAUSED,
    "interrupted": StatusKind.PAUSED,
}


def status_kind(status: str | None) -> StatusKind:
    """The kind of a host's status text, whatever its case; OTHER for any word not known."""
    return _KINDS.get((status or "").strip().casefold(), StatusKind.OTHER)
