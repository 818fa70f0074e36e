"""What the query package returns: frozen results, with ids as strings and times in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from runmanager.paging import Exactness, Page, PageRequest, RowKey, Total
from runmanager.text import count

if TYPE_CHECKING:
    from datetime import datetime


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


@dataclass(frozen=True)
class Actor:
    """The admin who acts: who they said they are; the database is asked anew at each call."""

    user_id: str
    username: str


@dataclass(frozen=True)
class Credential:
    """An active admin's name and bcrypt hash, for the sign-in form."""

    username: str
    password_hash: str

    def __repr__(self) -> str:
        return f"Credential({self.username!r})"


@dataclass(frozen=True)
class RunSummary:
    """One row of the list. ``name`` is None where the run has none: show ``title`` then."""

    thread_id: str
    name: str | None
    status: str | None
    created_at: datetime | None
    user_id: str | None
    username: str | None
    workspace_id: str | None
    workspace_name: str | None

    @property
    def title(self) -> str:
        """The run's name, or its thread_id where it has none."""
        return self.name or self.thread_id


@dataclass(frozen=True)
class RunPage(Page[RunSummary]):
    """One page of the list of runs: its rows, its place, and what is known of the rest.

    ``exactness`` is that of ``total``. Where ``from_end`` is set, ``number`` counts from the end.
    ``first`` and ``last`` are the places of its rows, from which the pages beside it are read.
    ``resume`` is set where the search was interrupted before the page was full: the place it has
    come to, and ``searched_to`` its time (None: among the runs without a time). ``is_backward``
    says that it went towards the newer runs. With ``is_whole_id`` the one run shown was found
    because the text searched for is its whole id; older runs were not searched for that text.
    """

    exactness: Exactness = Exactness.EXACT
    from_end: bool = False
    has_next: bool = False
    has_previous: bool = False
    first: RowKey | None = None
    last: RowKey | None = None
    resume: RowKey | None = None
    searched_to: datetime | None = None
    is_backward: bool = False
    is_whole_id: bool = False

    @property
    def known_total(self) -> Total:
        """The total with its exactness."""
        return Total(self.total, self.exactness)

    @property
    def request(self) -> PageRequest:
        """What asks for this page."""
        return PageRequest(self.number, self.size, self.from_end)


@dataclass(frozen=True)
class FilterChoice:
    """A value that runs have, to filter by; ``name`` is None where it is called nothing else."""

    value: str
    name: str | None


@dataclass(frozen=True)
class FilterChoices:
    """The values to choose from. Where they are not complete, others may have runs as well."""

    items: tuple[FilterChoice, ...]
    is_complete: bool = True


@dataclass(frozen=True)
class JsonText:
    """A JSON document as the database prints it: the first part of ``length`` characters."""

    text: str
    length: int

    @property
    def is_cut(self) -> bool:
        """Whether only the beginning was read."""
        return len(self.text) < self.length


@dataclass(frozen=True)
class Excerpt:
    """A text of ``length`` characters: whole in ``head``, or cut to its ``head`` and ``tail``."""

    head: str
    tail: str
    length: int

    @property
    def is_cut(self) -> bool:
        """Whether characters between head and tail were left out."""
        return self.shown < self.length

    @property
    def shown(self) -> int:
        """How many of its characters are here."""
        return len(self.head) + len(self.tail)

    @property
    def text(self) -> str:
        """The text for people: where it is cut, a line says how many characters are left out."""
        if not self.is_cut:
            return self.head
        left_out = count(self.length - self.shown, "character")
        return f"{self.head}\n… {left_out} left out …\n{self.tail}"


@dataclass(frozen=True)
class RunLink:
    """Another run that this one points to or is pointed to by; ``exists`` says if it has a row."""

    thread_id: str
    title: str
    status: str | None
    exists: bool = True


@dataclass(frozen=True)
class RunDetail:
    """Everything ``run_metadata`` has about one run.

    ``has_row`` is False for an id that has only orphan rows in other tables. ``others`` holds the
    columns that Run Manager has no name for, each as text. Long texts are cut.
    """

    summary: RunSummary
    has_row: bool
    completed_at: datetime | None
    error_message: Excerpt | None
    model: str | None
    sop: Excerpt | None
    initial_data: JsonText | None
    metadata: JsonText | None
    parent: RunLink | None
    reruns: tuple[RunLink, ...]
    reruns_total: int
    others: tuple[tuple[str, Excerpt], ...]


@dataclass(frozen=True)
class LogEntry:
    """One line of a run's log; ``others`` holds further columns as text. Long texts are cut.

    ``key`` asks for the same line again, whole. It means something to the log's table only.
    """

    key: str
    time: datetime | None
    level: str | None
    message: Excerpt | None
    others: tuple[tuple[str, Excerpt], ...]


@dataclass(frozen=True)
class CheckpointSummary:
    """One checkpoint on the timeline; ``stored_bytes`` is its size in the table, compressed."""

    checkpoint_id: str
    namespace: str
    parent_id: str | None
    time: str | None
    step: str | None
    source: str | None
    nodes: tuple[str, ...]
    writes: int
    stored_bytes: int


@dataclass(frozen=True)
class CheckpointWrite:
    """One write of a task at a checkpoint: its type and size, never its content."""

    task_id: str
    index: int
    channel: str
    type: str | None
    bytes: int
    node: str | None


@dataclass(frozen=True)
class CheckpointDetail:
    """One checkpoint opened: its JSON state and metadata, and its writes (the first 500)."""

    summary: CheckpointSummary
    state: JsonText
    metadata: JsonText
    writes: tuple[CheckpointWrite, ...]


@dataclass(frozen=True)
class Blob:
    """One stored channel value: its type, version and size in bytes, never its content."""

    channel: str
    namespace: str
    version: str
    type: str | None
    bytes: int


@dataclass(frozen=True)
class Footprint:
    """Rows of one table that belong to some runs, and the bytes they take in it as stored."""

    table: str
    rows: int
    stored_bytes: int


@dataclass(frozen=True)
class LeftBehind:
    """Rows of runs in a table that is never touched; None where they cannot be counted."""

    table: str
    rows: int | None


@dataclass(frozen=True)
class PlannedRun:
    """A run in a plan. ``is_orphan``: it has no row of its own, only traces in other tables."""

    thread_id: str
    name: str | None
    status: str | None
    created_at: datetime | None
    is_orphan: bool = False

    @property
    def title(self) -> str:
        """The run's name, or its thread_id where it has none."""
        return self.name or self.thread_id

    @property
    def is_running(self) -> bool:
        """Whether the run was still running when it was looked at."""
        return status_kind(self.status) is StatusKind.RUNNING


@dataclass(frozen=True)
class DeletionPlan:
    """What a deletion would do, frozen.

    ``runs`` go; ``excluded`` are still running and stay; ``missing`` have no row anywhere and will
    be reported as failed. ``tables`` counts the rows that go, ``left_behind`` those that belong to
    the same runs and stay. ``asked`` are the ids as they were given, each once.
    """

    asked: tuple[str, ...]
    runs: tuple[PlannedRun, ...]
    excluded: tuple[PlannedRun, ...]
    missing: tuple[str, ...]
    include_running: bool
    tables: tuple[Footprint, ...]
    left_behind: tuple[LeftBehind, ...]

    @property
    def thread_ids(self) -> tuple[str, ...]:
        """The exact ids that execution will take: what goes and what is already missing."""
        return (*(run.thread_id for run in self.runs), *self.missing)

    @property
    def rows(self) -> int:
        """How many rows go, over all tables."""
        return sum(table.rows for table in self.tables)

    @property
    def stored_bytes(self) -> int:
        """How many bytes those rows take as stored."""
        return sum(table.stored_bytes for table in self.tables)


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

    def removed(self, thread_id: str) -> bool:
        """Whether this run is gone by it."""
        return self.kind.removes_runs and any(run.thread_id == thread_id for run in self.done)


@dataclass(frozen=True, kw_only=True)
class DeletionReceipt(Receipt):
    """What a deletion did. ``came_back`` counts rows that some writer added to deleted runs."""

    came_back: tuple[Footprint, ...]

    @property
    def remarks(self) -> tuple[str, ...]:
        """That orphan rows were cleaned up, and that a worker is still writing."""
        orphans = sum(run.was_orphan for run in self.done)
        cleaned = (f"{count(orphans, 'run')} had orphan rows only: they were cleaned up.",)
        return (
            *(cleaned if orphans else ()),
            *(
                f"A worker is still writing: {count(table.rows, 'new row')} in {table.table}. "
                "Stop it, then delete the same runs again."
                for table in self.came_back
            ),
        )


class CountState(Enum):
    """Where a count is between its start and its end."""

    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True)
class CountView:
    """A count as it stood when it was asked about; ``total`` is there once it finished."""

    count_id: str
    state: CountState
    total: int | None
    message: str


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
