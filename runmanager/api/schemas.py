"""What the API reads and answers, as it stands in ``openapi.json``.

One run in full is in ``schemas_reviewing.py``, the runs of a filter as a whole in
``schemas_triage.py``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, overload

from pydantic import BaseModel, ConfigDict, Field

from runmanager.deletion import MAX_RUNS
from runmanager.filters import KINDS
from runmanager.records import DeletionPlan, Receipt, RunSummary

Kind = Annotated[str, Field(json_schema_extra={"enum": [*KINDS]})]
EXAMPLE_ID = "0198c0de-7f3a-7c1e-9d2b-5e8f00000001"
EXAMPLE_TIME = "2026-05-03T14:02:11.532000Z"


@overload
def utc_text(time: datetime) -> str: ...
@overload
def utc_text(time: datetime | None) -> str | None: ...
def utc_text(time: datetime | None) -> str | None:
    """ISO 8601 in UTC with a Z, None for no time."""
    if time is None:
        return None
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


class OfRecord(BaseModel):
    """An answer whose fields are those of a record: ``model_validate`` makes it from one."""

    model_config = ConfigDict(from_attributes=True)


class Run(BaseModel):
    """One run; ``name`` is its id where it has none."""

    id: str = Field(examples=[EXAMPLE_ID])
    name: str = Field(examples=["Order processing"])
    result: str | None = Field(description="The host's status", examples=["completed"])
    time: str | None = Field(description="ISO 8601, UTC", examples=[EXAMPLE_TIME])
    username: str | None = Field(examples=["kate"])
    workspace: str | None = Field(description="The workspace's id", examples=["7"])
    kind: Kind = Field(description="What `result` means", examples=["completed"])

    @classmethod
    def of(cls, run: RunSummary) -> Run:
        """The answer for one record."""
        return cls(**_run(run))


class ListedRun(Run):
    """One run of the list."""

    completed_at: str | None = Field(
        description="ISO 8601, UTC; null: it has not ended, or the host does not keep it",
        examples=[EXAMPLE_TIME],
    )
    error: str | None = Field(
        description="The first line of its error, 300 characters of it at the most",
        examples=["TimeoutError: no answer after 30 s"],
    )

    @classmethod
    def of(cls, run: RunSummary) -> ListedRun:
        """The answer for one record."""
        return cls(**_run(run), completed_at=utc_text(run.completed_at), error=run.error)


def _run(run: RunSummary) -> dict[str, Any]:
    return {
        "id": run.thread_id,
        "name": run.title,
        "result": run.status,
        "time": utc_text(run.created_at),
        "username": run.username,
        "workspace": run.workspace_id,
        "kind": run.kind.shown,
    }


class Runs(BaseModel):
    """One page of runs, in the order asked for; a page past the end is empty."""

    runs: list[ListedRun]
    total: int = Field(examples=[12408])
    total_is_exact: bool = Field(
        description="false: counting them all took long; there are so many at least, or that many "
        "were counted in the last ten seconds",
        examples=[True],
    )
    page: int = Field(examples=[1])
    page_size: int = Field(examples=[50])
    next: str | None = Field(
        description="What `after` takes to read on behind the last of these runs, also when runs "
        "are deleted meanwhile. null: there are no further ones, or the order is another one than "
        "by started",
        examples=["WyIyMDI2LTA1LTAzIDE0OjAyOjExLjUzMiswMCIsInItMSJd"],
    )


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
    is_repeatable: bool = Field(
        description="true: it may be given more than once; a run has one of the values",
        examples=[False],
    )
    values: str | None = Field(
        description="The call that lists its values, if any",
        examples=["/admin/run-manager/filters/username/values"],
    )


class Filters(BaseModel):
    """What runs can be narrowed down and sorted by here, and whether they can be deleted."""

    filters: list[Filter]
    sorts: list[str] = Field(
        description="What `sort` takes, with a minus before it or without", examples=[["started"]]
    )
    can_delete: bool = Field(
        description="false: the database role may not; `DELETE /runs` answers which grant it lacks",
        examples=[True],
    )


class FilterValue(OfRecord):
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

    thread_ids: Annotated[
        list[str], Field(min_length=1, max_length=MAX_RUNS, examples=[[EXAMPLE_ID]])
    ]
    include_running: bool = Field(
        default=True, description="false: runs that are still running fail instead"
    )


class Failure(BaseModel):
    """A run that is untouched, and why."""

    thread_id: str = Field(examples=[EXAMPLE_ID])
    error: str = Field(examples=["Run not found"])


class UnknownStatus(OfRecord):
    """A status that Run Manager does not know, so that its runs were taken as ended."""

    status: str | None = Field(description="As the host wrote it", examples=["frobnicating"])
    runs: int = Field(description="How many of the runs have it", examples=[3])


class Deleted(BaseModel):
    """What a deletion did; ``failed`` is in the order asked."""

    deleted_count: int = Field(examples=[1])
    failed: list[Failure]
    unknown_statuses: list[UnknownStatus] | None = Field(
        default=None,
        description="With `include_running` false only, and only where there are any",
    )
    remarks: list[str] | None = Field(
        default=None,
        description="What else happened, in sentences: references that the database cleared, rows "
        "that it took along, rows that a worker wrote meanwhile. Only where there is any",
    )

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
            unknown_statuses=None if plan.include_running else _unknown(plan) or None,
            remarks=list(receipt.remarks) or None,
        )


class TableRows(BaseModel):
    """Rows of one table, and the bytes they take as stored."""

    table: str = Field(examples=["checkpoints"])
    rows: int = Field(examples=[12])
    bytes: int = Field(examples=[20480])


class TableLeft(OfRecord):
    """Rows that stay; null where counting them took too long, or the table may not be read."""

    table: str = Field(examples=["billing_events"])
    rows: int | None = Field(examples=[1])
    denied: str | None = Field(
        description="Why the table may not be read, with the grant to make", examples=[None]
    )


class HeldRun(OfRecord):
    """A run that stays because a row which the host keeps refers to it."""

    thread_id: str = Field(examples=[EXAMPLE_ID])
    reason: str = Field(description="What holds it, and what would let it go")


class TableKept(OfRecord):
    """References that are cleared while their rows stay; null where they cannot be counted."""

    table: str = Field(examples=["invoices"])
    references: int | None = Field(examples=[5])
    denied: str | None = Field(
        description="Why the table may not be read, with the grant to make", examples=[None]
    )


class Plan(BaseModel):
    """What a deletion of these ids would do. Nothing has been changed."""

    total: int = Field(description="How many runs would go", examples=[1])
    by_status: dict[str, int] = Field(
        description='Those runs by status; "" for none', examples=[{"completed": 1}]
    )
    running_left_out: list[str] = Field(description="Still running, and not included")
    unknown_statuses: list[UnknownStatus]
    held: list[HeldRun] = Field(description="They stay: a row that the host keeps refers to them")
    missing: list[str] = Field(description="Without a row anywhere")
    orphans: list[str] = Field(description="Without a row of their own, with traces that would go")
    tables: list[TableRows]
    kept: list[TableKept]
    left_behind: list[TableLeft]
    unseen: list[str] = Field(description="What cannot be known beforehand, each said in words")

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
            unknown_statuses=_unknown(plan),
            held=[HeldRun.model_validate(one) for one in plan.held],
            missing=list(plan.missing),
            orphans=[run.thread_id for run in plan.runs if run.is_orphan],
            tables=[
                TableRows(table=one.table, rows=one.rows, bytes=one.stored_bytes)
                for one in plan.tables
            ],
            kept=[TableKept.model_validate(one) for one in plan.kept],
            left_behind=[TableLeft.model_validate(one) for one in plan.left_behind],
            unseen=list(plan.unseen),
        )


def _unknown(plan: DeletionPlan) -> list[UnknownStatus]:
    return [UnknownStatus.model_validate(one) for one in plan.unknown_statuses]


class IssuedToken(BaseModel):
    """A bearer token (RFC 6749, section 5.1)."""

    access_token: str
    token_type: str = Field(default="bearer", examples=["bearer"])
    expires_in: int = Field(description="Seconds", examples=[1800])


class Health(BaseModel):
    """That the process is up, and whether it reaches the database."""

    status: str = Field(default="ok", examples=["ok"])
    database: bool
