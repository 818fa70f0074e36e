"""The receipt of a deletion as a file: its facts in the first line, then a line for each run.

All of it is one JSON object. So a program reads it whole, and we its first line, or its first runs.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from runmanager.archive.ids import read_ids
from runmanager.deletion.account import AGAIN
from runmanager.deletion.kind import DELETION
from runmanager.deletion.reasons import NOT_FOUND
from runmanager.ledger import read_records
from runmanager.queries.run.footprint import run_tables
from runmanager.receipts import json_of
from runmanager.records import (
    Actor,
    DeletionReceipt,
    DoneRun,
    FailedRun,
    Footprint,
    KeptRows,
    LeftBehind,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runmanager.deletion.account import Account
    from runmanager.deletion.looking_again import CameBack
    from runmanager.deletion.spec import DeletionSpec
    from runmanager.folders import Folder
    from runmanager.host.values import Host
    from runmanager.records import FrozenRun
    from runmanager.tasks import Task


NAME = "receipt.json"


def write_receipt(
    folder: Folder,
    task: Task,
    spec: DeletionSpec,
    account: Account,
    host: Host,
    came_back: CameBack,
    kept: tuple[KeptRows, ...],
    *,
    ended_at: datetime,
    place: str | None,
    kept_until: datetime | None,
) -> dict[str, Any]:
    """Write the receipt into the operation's folder; its facts.

    Written again, after a crash, it says the same of every run.
    """
    tables = came_back.tables
    rows = {trace.name: account.tables[trace.name] for trace in run_tables(host)}
    head: dict[str, Any] = {
        "operation_id": task.operation_id,
        "kind": DELETION.name,
        "actor": task.actor.username,
        "actor_id": task.actor.user_id,
        "how": task.origin.value,
        "reason": spec.reason,
        "filter": spec.sentence or None,
        "until": _iso(spec.until),
        "started_at": task.started_at.isoformat(),
        "ended_at": ended_at.isoformat(),
        "seconds": round((ended_at - task.started_at).total_seconds(), 3),
        "interruptions": task.interruptions,
        "stopped": account.was_stopped,
        "include_running": spec.include_running,
        "asked": spec.asked,
        "deleted": account.done,
        "failed": spec.total - account.done,
        "orphans": account.orphans,
        "rows": rows,
        # Known of what was planned alone: nobody measures what goes.
        "stored_bytes": spec.stored_bytes if spec.counted == rows else None,
        "kept": {one.table: one.references for one in kept},
        "also_gone": dict(sorted(account.also_gone.items())),
        "left_behind": {one.table: one.rows for one in spec.left_behind},
        "left_out": [
            {"thread_id": run.thread_id, "title": run.title, "reason": run.error}
            for run in spec.left_out
        ],
        "left_out_total": spec.left_out_total,
        "came_back": None if tables is None else {one.table: one.rows for one in tables},
        "came_back_runs": list(came_back.runs),
        "archive": None
        if place is None
        else {"place": place, "bytes": account.archived, "until": _iso(kept_until)},
    }
    with folder.writing(NAME) as sink:
        for piece in json_of(head, _runs(folder, spec, account)):
            sink.write(piece)
    return head


def receipt_of(
    head: Mapping[str, Any], done: tuple[DoneRun, ...], failed: tuple[FailedRun, ...]
) -> DeletionReceipt:
    """The receipt of a document's facts and the runs of it that were read."""
    archive = head["archive"] or {}
    return DeletionReceipt(
        kind=DELETION,
        actor=Actor(head["actor_id"], head["actor"]),
        started_at=datetime.fromisoformat(head["started_at"]),
        ended_at=datetime.fromisoformat(head["ended_at"]),
        seconds=head["seconds"],
        done=done,
        failed=failed,
        done_total=head["deleted"],
        failed_total=head["failed"],
        tables=tuple(head["rows"].items()),
        was_stopped=head["stopped"],
        operation_id=head["operation_id"],
        origin=head["how"],
        reason=head["reason"],
        sentence=head["filter"] or "",
        until=_time(head["until"]),
        stored_bytes=head["stored_bytes"],
        interruptions=head["interruptions"],
        orphans=head["orphans"],
        kept=tuple(KeptRows(table, count) for table, count in head["kept"].items()),
        also_gone=tuple(head["also_gone"].items()),
        came_back=None
        if head["came_back"] is None
        else tuple(Footprint(table, rows, 0) for table, rows in head["came_back"].items()),
        came_back_runs=tuple(head["came_back_runs"]),
        left_out=tuple(
            FailedRun(one["thread_id"], one["title"], one["reason"]) for one in head["left_out"]
        ),
        left_out_total=head["left_out_total"],
        left_behind=tuple(LeftBehind(table, rows) for table, rows in head["left_behind"].items()),
        archive_place=archive.get("place"),
        archive_bytes=archive.get("bytes", 0),
        archive_until=_time(archive.get("until")),
    )


def _runs(folder: Folder, spec: DeletionSpec, account: Account) -> Iterator[dict[str, Any]]:
    """What became of each run, in the order in which they were frozen; then what never went."""
    done: dict[str, Mapping[str, int]] = {}
    orphans = {one for record in read_records(folder) for one in record.get("orphans", ())}
    records = (record for record in read_records(folder) if record.get("chunk") != AGAIN)
    for run in read_ids(folder):
        # The records of a chunk stand behind each other, and end with the one that closes it.
        while not any(run.thread_id in of for of in (done, account.failed, account.again)):
            record = next(records, None)
            if record is None:
                break
            if "closes" in record:
                continue
            done |= record["done"]
        rows = account.again.get(run.thread_id, done.pop(run.thread_id, None))
        yield _line(run, rows, account, is_orphan=run.thread_id in orphans)
    for held in spec.held:
        yield _failure(held.thread_id, held.title, held.error)
    for thread_id in spec.missing:
        yield _failure(thread_id, thread_id, NOT_FOUND)


def _line(
    run: FrozenRun, rows: Mapping[str, int] | None, account: Account, *, is_orphan: bool
) -> dict[str, Any]:
    if rows is None:
        failure = account.failed.get(run.thread_id)
        reason = account.rest if failure is None else failure.reason
        return _failure(run.thread_id, run.title, reason or NOT_FOUND, run.stamp)
    line = {"thread_id": run.thread_id, "title": run.title, "started": run.stamp}
    return line | {"outcome": "deleted", "rows": rows, "was_orphan": is_orphan}


def _failure(thread_id: str, title: str, reason: str, started: str | None = None) -> dict[str, Any]:
    line = {"thread_id": thread_id, "title": title, "started": started}
    return line | {"outcome": "failed", "error": reason}


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
