"""Restoring as a kind of operation."""

from __future__ import annotations

from runmanager.records import OperationKind

RESTORE = OperationKind(
    name="restore",
    doing="Restoring",
    done="restored",
    not_done="Not restored",
    removes_runs=False,
)
