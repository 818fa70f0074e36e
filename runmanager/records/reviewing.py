"""What is shown of one run: its facts, its log, its checkpoints and what it takes in each table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runmanager.text import count

if TYPE_CHECKING:
    from datetime import datetime

    from runmanager.records.finding import RunSummary
    from runmanager.records.statuses import StatusKind


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
    kind: StatusKind
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
    """One checkpoint on the timeline; None is what the host's tables do not say.

    ``key`` opens it: its id, or what else tells its row apart where the host keeps no id, or may
    keep one twice. ``stored_bytes`` is its size in the table, compressed.
    """

    checkpoint_id: str | None
    key: str
    namespace: str
    parent_id: str | None
    time: str | None
    step: str | None
    source: str | None
    nodes: tuple[str, ...]
    writes: int | None
    stored_bytes: int | None


@dataclass(frozen=True)
class CheckpointWrite:
    """One write of a task at a checkpoint: its type and size, never its content.

    None is what the host's table does not say.
    """

    task_id: str | None
    index: int | None
    channel: str | None
    type: str | None
    bytes: int | None
    node: str | None


@dataclass(frozen=True)
class CheckpointDetail:
    """One checkpoint opened: its state and metadata, and its writes (the first 500).

    A document that is kept as bytes is None, never decoded, and ``…_bytes`` says how many there
    are. Both are None where the host keeps none.
    """

    summary: CheckpointSummary
    state: JsonText | None
    state_bytes: int | None
    metadata: JsonText | None
    metadata_bytes: int | None
    writes: tuple[CheckpointWrite, ...]


@dataclass(frozen=True)
class Blob:
    """One stored channel value: its type, version and size in bytes, never its content.

    None is what the host's table does not say.
    """

    channel: str | None
    namespace: str
    version: str | None
    type: str | None
    bytes: int | None


@dataclass(frozen=True)
class Footprint:
    """Rows of one table that belong to some runs, and the bytes they take in it as stored."""

    table: str
    rows: int
    stored_bytes: int


@dataclass(frozen=True)
class LeftBehind:
    """Rows of runs in a table that is never touched; None where they cannot be counted.

    ``denied`` says why the table may not be read, with the GRANT to make.
    """

    table: str
    rows: int | None
    denied: str | None = None


@dataclass(frozen=True)
class KeptRows:
    """References to runs that the database clears: the rows of ``table`` that hold them stay.

    ``references`` is None where they cannot be counted; ``denied`` says why, with the GRANT to
    make.
    """

    table: str
    references: int | None
    denied: str | None = None

    @property
    def sentence(self) -> str:
        """That rows are kept and their references cleared, or that nobody could count them."""
        if self.references is None:
            return f"References in “{self.table}” are cleared, how many could not be counted."
        what = "reference is" if self.references == 1 else "references are"
        return f"{self.references:,} {what} cleared in “{self.table}”, whose rows are kept."
