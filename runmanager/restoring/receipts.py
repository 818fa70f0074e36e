"""The receipts of restores and purges as files; ``receipts/lines.py`` says what is in them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from runmanager.receipts import json_of
from runmanager.records import Actor, DoneRun, FailedRun, RestoreReceipt
from runmanager.restoring.kind import RESTORE
from runmanager.restoring.outcome import RestoredRows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from runmanager.folders import Folder
    from runmanager.records import OperationKind
    from runmanager.restoring.account import Account
    from runmanager.tasks import Task

NAME = "receipt.json"


def head_of(task: Task, kind: OperationKind, ended_at: datetime) -> dict[str, Any]:
    """What every receipt says of its operation."""
    return {
        "operation_id": task.operation_id,
        "kind": kind.name,
        "parent": task.parent,
        "actor": task.actor.username,
        "actor_id": task.actor.user_id,
        "how": task.origin.value,
        "reason": task.spec.get("reason"),
        "filter": "",
        "until": None,
        "started_at": task.started_at.isoformat(),
        "ended_at": ended_at.isoformat(),
        "seconds": round((ended_at - task.started_at).total_seconds(), 3),
        "interruptions": task.interruptions,
        "stopped": False,
    }


def write_receipt(
    folder: Folder,
    task: Task,
    account: Account,
    records: Iterable[Mapping[str, Any]],
    *,
    ended_at: datetime,
) -> dict[str, Any]:
    """Write a restore's receipt into its folder; its facts.

    Written again, after a crash, it says the same of every run.
    """
    head = head_of(task, RESTORE, ended_at) | {
        "stopped": account.was_stopped,
        "restored": account.done,
        "failed": len(account.failed),
        "rows": dict(sorted(account.tables.items())),
        "told": list(account.outcome.told),
    }
    with folder.writing(NAME) as sink:
        for piece in json_of(head, _runs(account, records)):
            sink.write(piece)
    return head


def receipt_of(
    head: Mapping[str, Any], done: tuple[DoneRun, ...], failed: tuple[FailedRun, ...]
) -> RestoreReceipt:
    """The receipt of a document's facts and the runs of it that were read."""
    return RestoreReceipt(
        kind=RESTORE,
        actor=Actor(head["actor_id"], head["actor"]),
        started_at=datetime.fromisoformat(head["started_at"]),
        ended_at=datetime.fromisoformat(head["ended_at"]),
        seconds=head["seconds"],
        done=done,
        failed=failed,
        done_total=head["restored"],
        failed_total=head["failed"],
        tables=tuple(head["rows"].items()),
        was_stopped=head["stopped"],
        operation_id=head["operation_id"],
        origin=head["how"],
        reason=head["reason"],
        interruptions=head["interruptions"],
        told=tuple(head["told"]),
    )


def _runs(account: Account, records: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for record in records:
        outcome = RestoredRows.from_json({"done": {}, **record})
        for run, rows in outcome.done.items():
            yield {
                "thread_id": run,
                "title": outcome.titles.get(run, run),
                "outcome": "restored",
                "rows": rows,
                "was_orphan": run in outcome.orphans,
            }
    for run, reason in account.failed.items():
        title = account.outcome.titles.get(run, run)
        yield {"thread_id": run, "title": title, "outcome": "failed", "error": reason}
