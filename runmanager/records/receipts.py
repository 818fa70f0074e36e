"""Receipts: what operations did, run by run and table by table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runmanager.text import count

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from runmanager.records.operations import OperationKind
    from runmanager.records.people import Actor
    from runmanager.records.reviewing import Footprint, KeptRows, LeftBehind


@dataclass(frozen=True)
class DoneRun:
    """A run that an operation was done to, with the rows that it took by table name.

    ``was_orphan``: it had no row of its own, only traces in other tables.
    """

    thread_id: str
    title: str
    rows: tuple[tuple[str, int], ...]
    was_orphan: bool = False


@dataclass(frozen=True)
class FailedRun:
    """A run that an operation left untouched, with the reason in plain words."""

    thread_id: str
    title: str
    error: str


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What an operation did.

    ``done`` and ``failed`` are at most the first 10,000 of each; ``done_count`` and
    ``failed_count`` are of all. ``sentence`` says which runs a filter took, ``until`` the latest
    start among them; ``reason`` is the admin's own. ``stored_bytes`` is what those rows took as
    stored, None where nobody knows.
    """

    kind: OperationKind
    actor: Actor
    started_at: datetime
    seconds: float
    done: tuple[DoneRun, ...]
    failed: tuple[FailedRun, ...]
    tables: tuple[tuple[str, int], ...]
    was_stopped: bool
    operation_id: str = ""
    origin: str = ""
    ended_at: datetime | None = None
    reason: str | None = None
    sentence: str = ""
    until: datetime | None = None
    done_total: int | None = None
    failed_total: int | None = None
    stored_bytes: int | None = None
    interruptions: int = 0

    @property
    def done_count(self) -> int:
        """How many runs it was done to, of which ``done`` may be the first only."""
        return len(self.done) if self.done_total is None else self.done_total

    @property
    def failed_count(self) -> int:
        """How many runs failed, of which ``failed`` may be the first only."""
        return len(self.failed) if self.failed_total is None else self.failed_total

    @property
    def rows(self) -> int:
        """How many rows it took, over all tables."""
        return sum(rows for _table, rows in self.tables)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What else there is to say of it, each a sentence."""
        return ()

    @property
    def facts(self) -> Mapping[str, Any]:
        """The same for programs, and for the audit log."""
        return {}

    def removed(self, thread_id: str) -> bool:
        """Whether this run is gone by it."""
        return self.kind.removes_runs and any(run.thread_id == thread_id for run in self.done)


@dataclass(frozen=True, kw_only=True)
class DeletionReceipt(Receipt):
    """What a deletion did.

    ``kept`` counts the references that the database cleared, by table; ``also_gone`` rows that it
    deleted beside those that were planned. ``came_back`` counts rows that some writer added to
    deleted runs, None where nobody could look; ``came_back_runs`` are those runs. ``left_out`` are
    runs that the plan set apart, each with the reason. ``archive_place`` is None where nothing was
    kept.
    """

    kept: tuple[KeptRows, ...] = ()
    also_gone: tuple[tuple[str, int], ...] = ()
    came_back: tuple[Footprint, ...] | None
    came_back_runs: tuple[str, ...] = ()
    orphans: int | None = None
    left_out: tuple[FailedRun, ...] = ()
    left_out_total: int = 0
    left_behind: tuple[LeftBehind, ...] = ()
    archive_place: str | None = None
    archive_bytes: int = 0
    archive_until: datetime | None = None
    purged_at: datetime | None = None

    @property
    def facts(self) -> Mapping[str, Any]:
        """Rows by table that were kept, taken along, or written since; None for those not seen."""
        came_back = self.came_back
        return {
            "kept": {table.table: table.references for table in self.kept},
            "also_gone": dict(self.also_gone),
            "came_back": None
            if came_back is None
            else {table.table: table.rows for table in came_back},
        }

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was cleaned up, cleared and taken along; and whether a worker is still writing."""
        orphans = self.orphans
        if orphans is None:
            orphans = sum(run.was_orphan for run in self.done)
        cleaned = (f"{count(orphans, 'run')} had orphan rows only: they were cleaned up.",)
        unseen = ("Whether a worker has written more since then could not be looked at.",)
        return (
            *(cleaned if orphans else ()),
            *(table.sentence for table in self.kept),
            *(
                f"{count(rows, 'more row')} of “{table}” went: a trigger of the host deleted them, "
                "or they were added at that moment."
                for table, rows in self.also_gone
            ),
            *(unseen if self.came_back is None else ()),
            *(
                f"A worker is still writing: {count(table.rows, 'new row')} in {table.table}. "
                "Stop it, then delete the same runs again."
                for table in self.came_back or ()
            ),
        )


@dataclass(frozen=True, kw_only=True)
class RestoreReceipt(Receipt):
    """What a restore did: ``told`` are sentences on what is not as it was."""

    told: tuple[str, ...] = ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is not as it was before the deletion."""
        return self.told
