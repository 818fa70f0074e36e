"""What the API answers of one run, as it stands in ``openapi.json``.

A long text comes as its beginning and its end, with a line between them that says how much is left
out, and with its length beside it.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, Field

from runmanager.api.schemas import (
    EXAMPLE_ID,
    EXAMPLE_TIME,
    OfRecord,
    Run,
    TableLeft,
    TableRows,
    utc_text,
)
from runmanager.records import (
    CheckpointDetail,
    CheckpointSummary,
    Excerpt,
    JsonText,
    LogEntry,
    RunDetail,
    RunLink,
)


class WholeText(BaseModel):
    """One text of a run's, nothing of it left out; null where it has none."""

    text: str | None
    length: int = Field(description="In characters", examples=[38462])

    @classmethod
    def of(cls, text: str | None) -> WholeText:
        """The answer for one text."""
        return cls(text=text, length=len(text or ""))


class Document(OfRecord):
    """A JSON document as text: its beginning, and how many characters there are in all."""

    text: str = Field(examples=['{"items": 3}'])
    length: int = Field(examples=[12])


class LinkedRun(BaseModel):
    """A run that this one was started from, or that was started from it."""

    id: str = Field(examples=[EXAMPLE_ID])
    name: str = Field(examples=["Order processing"])
    result: str | None = Field(examples=["failed"])
    exists: bool

    @classmethod
    def of(cls, link: RunLink) -> LinkedRun:
        """The answer for one link."""
        return cls(id=link.thread_id, name=link.title, result=link.status, exists=link.exists)


class Links(BaseModel):
    """Where the rest of a run's facts is."""

    logs: str
    checkpoints: str
    blobs: str


class RunFacts(Run):
    """Everything the database has about one run; logs, checkpoints and blobs by link."""

    has_row: bool = Field(description="false: only traces in other tables are left")
    workspace_name: str | None
    completed: str | None = Field(description="ISO 8601, UTC", examples=[EXAMPLE_TIME])
    error: str | None = Field(description="Its beginning and its end, where it is long")
    error_length: int | None = Field(description="In characters, all of it", examples=[38462])
    model: str | None
    sop: str | None
    initial_data: Document | None
    metadata: Document | None
    parent: LinkedRun | None
    reruns: list[LinkedRun] = Field(description="The first 50")
    reruns_total: int
    others: dict[str, str] = Field(description="The host's further columns, as text")
    cut: dict[str, int] = Field(
        description="The columns whose text is not whole here, and its length in characters: "
        "/runs/{thread_id}/text/{column} has it whole",
        examples=[{"error_message": 38462}],
    )
    tables: list[TableRows]
    left_behind: list[TableLeft]
    denied: list[str] = Field(
        description="The tables with rows of runs that the database role may not read, each in a "
        "sentence with the grant to make"
    )
    links: Links

    @classmethod
    def facts(
        cls,
        detail: RunDetail,
        tables: list[TableRows],
        left: list[TableLeft],
        denied: list[str],
        links: Links,
    ) -> RunFacts:
        """The answer for one run."""
        return cls(
            **Run.of(detail.summary).model_dump(),
            has_row=detail.has_row,
            workspace_name=detail.summary.workspace_name,
            completed=utc_text(detail.completed_at),
            error=_shown(detail.error_message),
            error_length=_length(detail.error_message),
            model=detail.model,
            sop=_shown(detail.sop),
            initial_data=_document(detail.initial_data),
            metadata=_document(detail.metadata),
            parent=None if detail.parent is None else LinkedRun.of(detail.parent),
            reruns=[LinkedRun.of(link) for link in detail.reruns],
            reruns_total=detail.reruns_total,
            others={name: value.text for name, value in detail.others},
            cut=_cut(
                [
                    ("error_message", detail.error_message),
                    ("sop", detail.sop),
                    *detail.others,
                ]
            ),
            tables=tables,
            left_behind=left,
            denied=denied,
            links=links,
        )


class LogLine(BaseModel):
    """One line of a run's log."""

    time: str | None = Field(description="ISO 8601, UTC", examples=[EXAMPLE_TIME])
    level: str | None = Field(examples=["INFO"])
    message: str | None = Field(description="Its beginning and its end, where it is long")
    message_length: int | None = Field(description="In characters, all of it", examples=[214])
    others: dict[str, str]
    cut: dict[str, int] = Field(
        description="The others whose text is not whole here, and its length in characters"
    )
    key: str = Field(description="Asks /runs/{thread_id}/logs/line for all of this line")

    @classmethod
    def of(cls, entry: LogEntry) -> LogLine:
        """The answer for one record."""
        return cls(
            time=utc_text(entry.time),
            level=entry.level,
            message=_shown(entry.message),
            message_length=_length(entry.message),
            others={name: value.text for name, value in entry.others},
            cut=_cut(entry.others),
            key=entry.key,
        )


class Logs(BaseModel):
    """One page of a run's log; the last one for a page past the end."""

    logs: list[LogLine]
    total: int
    page: int
    page_size: int


class CheckpointLine(BaseModel):
    """One checkpoint on a run's timeline; null is what the host's tables do not say."""

    id: str | None
    key: str = Field(
        description="Opens it, at /runs/{thread_id}/checkpoints/{key}?namespace=: its id, wherever "
        "that is enough"
    )
    namespace: str
    parent_id: str | None
    time: str | None = Field(description="As LangGraph wrote it")
    step: str | None
    source: str | None
    nodes: list[str]
    writes: int | None
    bytes: int | None

    @classmethod
    def of(cls, one: CheckpointSummary) -> CheckpointLine:
        """The answer for one record."""
        return cls(
            id=one.checkpoint_id,
            key=one.key,
            namespace=one.namespace,
            parent_id=one.parent_id,
            time=one.time,
            step=one.step,
            source=one.source,
            nodes=list(one.nodes),
            writes=one.writes,
            bytes=one.stored_bytes,
        )


class Checkpoints(BaseModel):
    """One page of a run's checkpoints, newest first; the last one for a page past the end."""

    checkpoints: list[CheckpointLine]
    total: int
    page: int
    page_size: int


class Write(OfRecord):
    """One write at a checkpoint, measured and never decoded."""

    task_id: str | None
    index: int | None
    node: str | None
    channel: str | None
    type: str | None
    bytes: int | None


class Checkpoint(CheckpointLine):
    """One checkpoint with its state, metadata and first 500 writes.

    A state or metadata that the host keeps as bytes is null, never decoded, and only measured.
    """

    state: Document | None
    state_bytes: int | None = Field(description="As stored", examples=[1380])
    metadata: Document | None
    metadata_bytes: int | None = Field(description="As stored", examples=[62])
    written: list[Write]

    @classmethod
    def opened(cls, one: CheckpointDetail) -> Checkpoint:
        """The answer for one record."""
        return cls(
            **CheckpointLine.of(one.summary).model_dump(),
            state=_document(one.state),
            state_bytes=one.state_bytes,
            metadata=_document(one.metadata),
            metadata_bytes=one.metadata_bytes,
            written=[Write.model_validate(write) for write in one.writes],
        )


class StoredValue(OfRecord):
    """One stored channel value, measured and never decoded; null is what the host does not say."""

    channel: str | None
    namespace: str
    version: str | None
    type: str | None
    bytes: int | None


class Blobs(BaseModel):
    """One page of a run's stored values; the last one for a page past the end."""

    blobs: list[StoredValue]
    total: int
    page: int
    page_size: int


def _document(document: JsonText | None) -> Document | None:
    return None if document is None else Document.model_validate(document)


def _shown(excerpt: Excerpt | None) -> str | None:
    return None if excerpt is None else excerpt.text


def _length(excerpt: Excerpt | None) -> int | None:
    return None if excerpt is None else excerpt.length


def _cut(texts: Iterable[tuple[str, Excerpt | None]]) -> dict[str, int]:
    return {name: text.length for name, text in texts if text is not None and text.is_cut}
