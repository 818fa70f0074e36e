"""Receipts as they stand in an operation's folder, as records."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from runmanager.deletion import DELETION
from runmanager.deletion.receipts import NAME as RECEIPT
from runmanager.deletion.receipts import receipt_of
from runmanager.receipts import read_receipt
from runmanager.records import DoneRun, FailedRun, Receipt
from runmanager.restoring.kind import PURGE, RESTORE
from runmanager.restoring.purging import purge_receipt_of
from runmanager.restoring.receipts import receipt_of as restore_receipt_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from runmanager.folders import Folder
    from runmanager.records import OperationView

MAX_LISTED = 10_000
_OTHERS: Mapping[str, Callable[..., Receipt]] = {
    RESTORE.name: restore_receipt_of,
    PURGE.name: purge_receipt_of,
}

__all__ = ["MAX_LISTED", "RECEIPT", "read_facts", "whole_receipt"]


def whole_receipt(folder: Folder, view: OperationView) -> Receipt | None:
    """The receipt of a finished operation, with at most 10,000 done and failed runs of it.

    None for a kind whose receipts are not known here. Raises FileMissingError where there is none.
    """
    with folder.reading(RECEIPT) as source:
        head, runs = read_receipt(source)
        done, failed = _sorted_out(head, runs)
    if view.kind.name == DELETION.name:
        return replace(receipt_of(head, done, failed), purged_at=view.purged_at)
    reader = _OTHERS.get(view.kind.name)
    return None if reader is None else reader(head, done, failed)


def read_facts(folder: Folder) -> dict[str, Any]:
    """What a receipt says of its operation, without its runs."""
    with folder.reading(RECEIPT) as source:
        head, _runs = read_receipt(source)
    return head


def _sorted_out(
    head: Mapping[str, Any], runs: Iterable[Mapping[str, Any]]
) -> tuple[tuple[DoneRun, ...], tuple[FailedRun, ...]]:
    """The first of the runs that it was done to, and the first that failed."""
    done: list[DoneRun] = []
    failed: list[FailedRun] = []
    wanted = min(head["failed"], MAX_LISTED)
    for run in runs:
        if run["outcome"] == "failed":
            failed.append(FailedRun(run["thread_id"], run["title"], run["error"]))
        elif len(done) < MAX_LISTED:
            rows = tuple(sorted(run["rows"].items()))
            done.append(DoneRun(run["thread_id"], run["title"], rows, run.get("was_orphan", False)))
        if len(done) == MAX_LISTED and len(failed) >= wanted:
            break
    return tuple(done), tuple(islice(failed, MAX_LISTED))
