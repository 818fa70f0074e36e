"""The account of a deletion: what its ledger's records say, summed up, wherever it was broken off.

A plan's runs are worked off in chunks, in the order in which they were frozen. The records of a
chunk's transactions stand behind each other; one that closes it says what became of those that no
transaction was done to. What is tried again at the end has a chunk of its own.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from runmanager.deletion.batch import DeletedRows
from runmanager.deletion.reasons import PUT_BACK
from runmanager.records import FrozenRun

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

# The runs that are tried again at the end.
AGAIN = -1


@dataclass(frozen=True)
class Failure:
    """Why a run was not deleted. ``may_pass``: it is tried again at the end."""

    run: FrozenRun
    reason: str
    may_pass: bool = False


@dataclass
class Account:
    """What became of an operation's runs by now.

    ``closed`` is the number of chunks that are done with; ``open`` is what became of the runs of
    the next one. ``rest`` is why nothing was done to the runs of the chunks from ``rest_from`` on.
    ``again`` has the rows of what went when it was tried again.
    """

    done: int = 0
    failed: dict[str, Failure] = field(default_factory=dict)
    tables: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    also_gone: Counter[str] = field(default_factory=Counter)
    orphans: int = 0
    archived: int = 0
    closed: int = 0
    open: DeletedRows = field(default_factory=DeletedRows)
    again: dict[str, Mapping[str, int]] = field(default_factory=dict)
    rest: str | None = None
    rest_from: int = 0
    was_stopped: bool = False
    is_closed_again: bool = False

    def add(self, record: Mapping[str, Any]) -> None:
        """Take over one record."""
        if "closes" in record:
            self._close(record)
            return
        outcome = DeletedRows.from_json(record)
        self.took(outcome)
        if outcome.chunk == AGAIN:
            self.again |= outcome.done
            for thread_id in outcome.done:
                self.failed.pop(thread_id, None)
            for thread_id, reason in outcome.failed.items():
                if reason == PUT_BACK and thread_id in self.failed:
                    self.failed[thread_id] = Failure(self.failed[thread_id].run, reason)
        else:
            self.open.add(outcome)

    def took(self, outcome: DeletedRows) -> None:
        """Count what a transaction did."""
        self.done += len(outcome.done)
        for rows in outcome.done.values():
            self.tables.update(rows)
        self.also_gone += outcome.also_gone
        self.orphans += len(outcome.orphans)
        self.archived += outcome.archived

    def closing(
        self, chunk: int, frozen: Mapping[str, FrozenRun], outcome: DeletedRows
    ) -> dict[str, Any]:
        """The record that closes a chunk: who of it failed, and why."""
        failed = {
            thread_id: [reason, thread_id in outcome.locked or thread_id in outcome.held]
            for thread_id, reason in outcome.failed.items()
        }
        return {
            "closes": chunk,
            "failed": [[asdict(frozen[thread_id]), *said] for thread_id, said in failed.items()],
            "kept": _kept(outcome),
        }

    def _close(self, record: Mapping[str, Any]) -> None:
        for run, reason, may_pass in record["failed"]:
            self.failed[run["thread_id"]] = Failure(FrozenRun(**run), reason, may_pass)
        self.kept += Counter(record["kept"])
        self.open = DeletedRows()
        if record["closes"] == AGAIN:
            self.is_closed_again = True
        else:
            self.closed = max(self.closed, record["closes"])
        self.was_stopped = self.was_stopped or record.get("was_stopped", False)
        if record.get("rest") is not None:
            self.rest, self.rest_from = record["rest"], record["closes"] + 1


def _kept(outcome: DeletedRows) -> dict[str, int]:
    """References that were cleared in rows that did not go with a run of the same chunk."""
    kept: Counter[str] = Counter()
    gone: Collection[str] = outcome.done.keys()
    for (table, run), references in outcome.cleared.items():
        if run not in gone:
            kept[table] += references
    return dict(kept)
