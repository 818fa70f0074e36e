"""What operations do: plans, receipts, and how far one is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from runmanager.records.statuses import StatusKind
from runmanager.text import count

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from runmanager.records.people import Actor
    from runmanager.records.reviewing import Footprint, KeptRows, LeftBehind


@dataclass(frozen=True)
class OperationKind:
    """What an operation does to runs, in the words that are shown.

    With ``removes_runs`` a run that it was done to is no longer there to be selected or opened.
    """

    name: str
    doing: str
    done: str
    not_done: str
    removes_runs: bool


@dataclass(frozen=True)
class PlannedRun:
    """A run in a plan. ``is_orphan``: it has no row of its own, only traces in other tables.

    ``user`` and ``workspace`` are what they are called, or their ids where no name is known.
    """

    thread_id: str
    name: str | None
    status: str | None
    kind: StatusKind
    created_at: datetime | None
    is_orphan: bool = False
    user: str | None = None
    workspace: str | None = None

    @property
    def title(self) -> str:
        """The run's name, or its thread_id where it has none."""
        return self.name or self.thread_id

    @property
    def is_running(self) -> bool:
        """Whether the run was still running when it was looked at."""
        return self.kind is StatusKind.RUNNING


@dataclass(frozen=True)
class UnknownStatus:
    """A status that nobody knows, as the host wrote it, and how many runs have it."""

    status: str | None
    runs: int


@dataclass(frozen=True)
class HeldRun:
    """A run that the database would refuse to delete, with the reason and the cure."""

    run: PlannedRun
    reason: str

    @property
    def thread_id(self) -> str:
        """The run's id."""
        return self.run.thread_id


@dataclass(frozen=True)
class DeletionPlan:
    """What a deletion would do, frozen.

    ``runs`` go; ``excluded`` are still running and stay; ``held`` stay because a row that is kept
    refers to them, and ``missing`` have no row anywhere: both will be reported as failed.
    ``tables`` counts the rows that go, also those that the database takes along by itself;
    ``kept`` the references that it clears; ``left_behind`` the rows that belong to the same runs
    and stay. ``unseen`` says what cannot be known beforehand. ``asked`` are the ids as
    they were given, each once. ``shape`` is the schema that all this is true of.
    """

    asked: tuple[str, ...]
    runs: tuple[PlannedRun, ...]
    excluded: tuple[PlannedRun, ...]
    missing: tuple[str, ...]
    include_running: bool
    tables: tuple[Footprint, ...]
    left_behind: tuple[LeftBehind, ...]
    held: tuple[HeldRun, ...] = ()
    kept: tuple[KeptRows, ...] = ()
    unseen: tuple[str, ...] = ()
    shape: str = ""

    @property
    def thread_ids(self) -> tuple[str, ...]:
        """The exact ids that execution accounts for: what goes, what is held, what is missing."""
        held = (run.thread_id for run in self.held)
        return (*(run.thread_id for run in self.runs), *held, *self.missing)

    @property
    def rows(self) -> int:
        """How many rows go, over all tables."""
        return sum(table.rows for table in self.tables)

    @property
    def unknown_statuses(self) -> tuple[UnknownStatus, ...]:
        """What ``runs`` have as a status that may mean that they still run, most runs first.

        They go as if they had ended, which must be said.
        """
        found = Counter(
            run.status for run in self.runs if run.kind is StatusKind.UNKNOWN and not run.is_orphan
        )
        return tuple(UnknownStatus(*one) for one in found.most_common())

    @property
    def stored_bytes(self) -> int:
        """How many bytes those rows take as stored."""
        return sum(table.stored_bytes for table in self.tables)


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
    """What an operation did."""

    kind: OperationKind
    actor: Actor
    started_at: datetime
    seconds: float
    done: tuple[DoneRun, ...]
    failed: tuple[FailedRun, ...]
    tables: tuple[tuple[str, int], ...]
    was_stopped: bool

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
    deleted runs, None where nobody could look.
    """

    kept: tuple[KeptRows, ...] = ()
    also_gone: tuple[tuple[str, int], ...] = ()
    came_back: tuple[Footprint, ...] | None

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


class OperationState(Enum):
    """Where an operation is between its start and its receipt."""

    RUNNING = "running"
    FINISHED = "finished"


@dataclass(frozen=True)
class OperationView:
    """An operation as it stood when it was asked about; ``receipt`` is there once it finished."""

    operation_id: str
    kind: OperationKind
    state: OperationState
    total: int
    done: int
    failed: int
    is_stopping: bool
    receipt: Receipt | None
