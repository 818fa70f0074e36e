"""Restoring, and purging what could be restored, as kinds of operation."""

from __future__ import annotations

from runmanager.records import OperationKind

RESTORE = OperationKind(
    name="restore",
    doing="Restoring",
    done="restored",
    not_done="Not restored",
    removes_runs=False,
)
PURGE = OperationKind(
    name="purge",
    doing="Purging",
    done="purged",
    not_done="Not purged",
    removes_runs=False,
)
