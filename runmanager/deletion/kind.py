"""Deletion as a kind of operation."""

from __future__ import annotations

from runmanager.records import OperationKind

DELETION = OperationKind(
    name="deletion",
    doing="Deleting",
    done="deleted",
    not_done="Not deleted",
    removes_runs=True,
)
