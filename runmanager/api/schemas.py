"""What the API reads and answers, as it stands in ``openapi.json``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from runmanager.deletion import MAX_RUNS
from runmanager.records import (
    Blob,
    CheckpointDetail,
    CheckpointSummary,
    DeletionPlan,
    JsonText,
    LogEntry,
    Receipt,
    RunDetail,
    RunLink,
    RunSummary,
)

_ID = "0198c0de-7f3a-7c1e-9d2b-5e8f00000001"
_TIME = "2026-05-03T14:02:11.532000Z"


def utc_text(time: datetime | None) -> str | None:
    """ISO 8601 in UTC with a Z, None for no time."""
    if time is None:
        return None
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


class Run(BaseModel):
    """One run of the list; ``name`` is its id where it has none."""

    id: str = Field(examples=[_ID])
    name: str = Field(examples=["Order processing"])
    result: str | None = Field(description="The host's status", examples=["completed"])
    time: str | None = Field(description="ISO 8601, UTC", examples=[_TIME])
    username: str | None = Field(examples=["kate"])
    workspace: str | None = Field(description="The workspace's id", examples=["7"])

    @classmethod
    def of(cls, run: RunSummary) -> Run:
        """The answer for one record."""
        return cls(
            id=run.thread_id,
            name=run.title,
            result=run.status,
            time=utc_text(run.created_at),
            username=run.username,
            workspace=run.workspace_id,
        )


class Runs(BaseModel):
    """One page of runs, newest first; a page past the end is empty."""

    runs: list[Run]
    total: int = Field(examples=[12408])
    total_is_exact: bool = Field(
        description="false: there are so many runs at least, and counting them all took too long",
        examples=[True],
    )
    page: int = Field(examples=[1])
    page_size: int = Field(examples=[50])


class Usernames(BaseModel):
    """The users that have runs, sorted."""

    usernames: list[str] = Field(examples=[["ada", "kate"]])


class Workspaces(BaseModel):
    """The ids of the workspaces that have runs, sorted."""

    workspaces: list[str] = Field(examples=[["1", "7"]])


class Filter(BaseModel):
    """One thing that runs can be narrowed down by."""

    key: str = Field(description="The parameter of `GET /runs`", examples=["username"])
    description: str = Field(examples=["A user's name, to the letter"])
    without: str | None = Field(
        description="The word that `without` takes for the runs that have none, if any",
        examples=["user"],
    )


class Filters(BaseModel):
    """What runs can be narrowed down by on this host."""

    filters: list[Filter]


class FilterValue(BaseModel):
    """A value that runs have, and the name it is called by."""

    value: str = Field(examples=["7"])
    name: str | None = Field(examples=["Operations"])


class FilterValues(BaseModel):
    """The values of one filter that runs have, sorted by name, those without a name last."""

    values: list[FilterValue]
    is_complete: bool = Field(description="false: others may have runs as well", examples=[True])


class ThreadIds(BaseModel):
    """Which runs are meant, and whether those still running are meant too."""

    model_config = ConfigDict(extra="forbid", strict=True)

    thread_ids: Annotated[list[str], Field(min_length=1, max_length=MAX_RUNS, examples=[[_ID]])]
    include_running: bool = Field(
        default=True, description="false: runs that are still running fail instead"
    )


class Failure(BaseModel):
    """A run that is untouched, and why."""

    thread_id: str = Field(examples=[_ID])
    error: str = Field(examples=["Run not found"])


class Deleted(BaseModel):
    """What a deletion did; ``failed`` is in the order asked."""

    deleted_count: int = Field(examples=[1])
    failed: list[Failure]

    @classmethod
    def of(cls, plan: DeletionPlan, receipt: Receipt, still_running: str) -> Deleted:
        """The answer for a plan and its receipt."""
        errors = {run.thread_id: run.error for run in receipt.failed}
        errors |= {run.thread_id: still_running for run in plan.excluded}
        return cls(
            deleted_count=len(receipt.done),
            failed=[
                Failure(thread_id=thread_id, error=errors[thread_id])
                for thread_id in plan.asked
                if thread_id in errors
            ],
        )


class TableRows(BaseModel):
    """Rows of one table, and the bytes they take as stored."""

    table: str = Field(examples=["checkpoints"])
    rows: int = Field(examples=[12])
    bytes: int = Field(examples=[20480])


class TableLeft(BaseModel):
    """Rows that stay; null where counting them took too long."""

    table: str = Field(examples=["billing_events"])
    rows: int | None = Field(examples=[1])


class Plan(BaseModel):
    """What a deletion of these ids would do. Nothing has been changed."""

    total: int = Field(description="How many runs would go", examples=[1])
    by_status: dict[str, int] = Field(
        description='Those runs by status; "" for none', examples=[{"completed": 1}]
    )
    running_left_out: list[str] = Field(description="Still running, and not included")
    missing: list[str] = Field(description="Without a row anywhere")
    orphans: list[str] = Field(description="Without a row of their own, with traces that would go")
    tables: list[TableRows]
    left_behind: list[TableLeft]

    @classmethod
    def of(cls, plan: DeletionPlan) -> Plan:
        """The answer for one plan."""
        by_status: dict[str, int] = {}
        for run in plan.runs:
            if not run.is_orphan:
                by_status[run.status or ""] = by_status.get(run.status or "", 0) + 1
        return cls(
            total=len(plan.runs),
            by_status=by_status,
            running_left_out=[run.thread_id for run in plan.excluded],
            missing=list(plan.missing),
            orphans=[run.thread_id for run in plan.runs if run.is_orphan],
            tables=[
                TableRows(table=one.table, rows=one.rows, bytes=one.stored_bytes)
                for one in plan.tables
            ],
            left_behind=[TableLeft(table=one.table, rows=one.rows) for one in plan.left_behind],
        )


class Document(BaseModel):
    """A JSON document as text: its beginning, and how many characters there are in all."""

    text: str = Field(examples=['{"items": 3}'])
    length: int = Field(examples=[12])

    @classmethod
    def of(cls, document: JsonText | None) -> Document | None:
        """The answer for one document."""
        return None if document is None else cls(text=document.text, length=document.length)


class LinkedRun(BaseModel):
    """A run that this one was started from, or that was started from it."""

    id: str = Field(examples=[_ID])
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
    completed: str | None = Field(description="ISO 8601, UTC", examples=[_TIME])
    error: str | None
    model: str | None
    sop: str | None
    initial_data: Document | None
    metadata: Document | None
    parent: LinkedRun | None
    reruns: list[LinkedRun] = Field(description="The first 50")
    reruns_total: int
    others: dict[str, str] = Field(description="The host's further columns, as text")
    tables: list[TableRows]
    left_behind: list[TableLeft]
    links: Links

    @classmethod
    def facts(
        cls, detail: RunDetail, tables: list[TableRows], left: list[TableLeft], links: Links
    ) -> RunFacts:
        """The answer for one run."""
        return cls(
            **Run.of(detail.summary).model_dump(),
            has_row=detail.has_row,
            workspace_name=detail.summary.workspace_name,
            completed=utc_text(detail.completed_at),
            error=detail.error_message,
            model=detail.model,
            sop=detail.sop,
            initial_data=Document.of(detail.initial_data),
            metadata=Document.of(detail.metadata),
            parent=None if detail.parent is None else LinkedRun.of(detail.parent),
            reruns=[LinkedRun.of(link) for link in detail.reruns],
            reruns_total=detail.reruns_total,
            others=dict(detail.others),
            tables=tables,
            left_behind=left,
            links=links,
        )


class LogLine(BaseModel):
    """One line of a run's log."""

    time: str | None = Field(description="ISO 8601, UTC", examples=[_TIME])
    level: str | None = Field(examples=["INFO"])
    message: str | None
    others: dict[str, str]

    @classmethod
    def of(cls, entry: LogEntry) -> LogLine:
        """The answer for one record."""
        return cls(
            time=utc_text(entry.time),
            level=entry.level,
            message=entry.message,
            others=dict(entry.others),
        )


class Logs(BaseModel):
    """One page of a run's log; the last one for a page past the end."""

    logs: list[LogLine]
    total: int
    page: int
    page_size: int


class CheckpointLine(BaseModel):
    """One checkpoint on a run's timeline."""

    id: str
    namespace: str
    parent_id: str | None
    time: str | None = Field(description="As LangGraph wrote it")
    step: str | None
    source: str | None
    nodes: list[str]
    writes: int
    bytes: int

    @classmethod
    def of(cls, one: CheckpointSummary) -> CheckpointLine:
        """The answer for one record."""
        return cls(
            id=one.checkpoint_id,
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


class Write(BaseModel):
    """One write at a checkpoint, measured and never decoded."""

    task_id: str
    index: int
    node: str | None
    channel: str
    type: str | None
    bytes: int


class Checkpoint(CheckpointLine):
    """One checkpoint with its state, metadata and first 500 writes."""

    state: Document
    metadata: Document
    written: list[Write]

    @classmethod
    def opened(cls, one: CheckpointDetail) -> Checkpoint:
        """The answer for one record."""
        return cls(
            **CheckpointLine.of(one.summary).model_dump(),
            state=Document(text=one.state.text, length=one.state.length),
            metadata=Document(text=one.metadata.text, length=one.metadata.length),
            written=[
                Write(
                    task_id=write.task_id,
                    index=write.index,
                    node=write.node,
                    channel=write.channel,
                    type=write.type,
                    bytes=write.bytes,
                )
                for write in one.writes
            ],
        )


class StoredValue(BaseModel):
    """One stored channel value, measured and never decoded."""

    channel: str
    namespace: str
    version: str
    type: str | None
    bytes: int

    @classmethod
    def of(cls, blob: Blob) -> StoredValue:
        """The answer for one record."""
        return cls(
            channel=blob.channel,
            namespace=blob.namespace,
            version=blob.version,
            type=blob.type,
            bytes=blob.bytes,
        )


class Blobs(BaseModel):
    """One page of a run's stored values; the last one for a page past the end."""

    blobs: list[StoredValue]
    total: int
    page: int
    page_size: int


class IssuedToken(BaseModel):
    """A bearer token (RFC 6749, section 5.1)."""

    access_token: str
    token_type: str = Field(default="bearer", examples=["bearer"])
    expires_in: int = Field(description="Seconds", examples=[1800])


class Health(BaseModel):
    """That the process is up, and whether it reaches the database."""

    status: str = Field(default="ok", examples=["ok"])
    database: bool
