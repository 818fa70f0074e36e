"""Which runs a deletion is about, what it would do and what it did, as ``openapi.json`` has it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from runmanager.api.parameters import MAX_NAME, FilterBody, filter_of, refused
from runmanager.api.schemas import (
    EXAMPLE_ID,
    EXAMPLE_OPERATION,
    EXAMPLE_TIME,
    Kind,
    OfRecord,
    TableLeft,
    TableRows,
    utc_text,
)
from runmanager.deletion import MAX_RUNS
from runmanager.entries import read_moment
from runmanager.filters import ENTRIES, WITHOUT_KEY, RunFilter
from runmanager.records import DeletionPlan, DeletionReceipt, Receipt, StatusKind, Tally


class ThreadIds(BaseModel):
    """Which runs are meant, and whether those still running are meant too."""

    model_config = ConfigDict(extra="forbid", strict=True)

    thread_ids: Annotated[
        list[str], Field(min_length=1, max_length=MAX_RUNS, examples=[[EXAMPLE_ID]])
    ]
    include_running: bool = Field(
        default=True,
        description="false: runs that are still running, or have just written, fail instead",
    )


class Matching(BaseModel):
    """The runs of a filter that started until a cut-off, but for some."""

    model_config = ConfigDict(extra="forbid", strict=True)

    filter: FilterBody = Field(examples=[{"kind": ["failed"], "username": "kate"}])
    until: str | None = Field(
        default=None,
        max_length=MAX_NAME,
        description="The cut-off, ISO 8601 with its zone: runs that started later stay. Now, where "
        "it is left out",
        examples=["2026-11-25T14:00:00+01:00"],
        json_schema_extra={"format": "date-time"},
    )
    excepting: list[str] = Field(
        default=[],
        alias="except",
        max_length=MAX_RUNS,
        description="The ids of runs that stay whatever the filter says",
        examples=[[EXAMPLE_ID]],
    )
    every: bool = Field(
        default=False,
        alias="all",
        description="true: an empty filter is meant, which takes every run in the database",
    )
    include_running: bool = Field(
        default=False,
        description="true: runs that are still running, or have just written, go too",
    )

    @property
    def run_filter(self) -> RunFilter:
        """The runs that are meant.

        Raises RequestValidationError for what cannot be read, and for an empty filter which nobody
        has said is meant.
        """
        query = {key: getattr(self.filter, key) for key in (*ENTRIES, WITHOUT_KEY)}
        found = filter_of(query, "body", "filter")
        if not found and not self.every:
            raise refused(
                "An empty filter means every run in the database: say so with “all”: true.",
                "body",
                "filter",
            )
        return found

    @property
    def cut_off(self) -> datetime | None:
        """The latest start that is meant. Raises RequestValidationError for what is no time."""
        if self.until is None:
            return None
        found = read_moment(self.until)
        if not isinstance(found, datetime):
            raise refused(
                "It must be a time in ISO 8601 with its zone, such as 2026-11-25T14:00:00Z.",
                "body",
                "until",
            )
        return found


def _form(body: Any) -> str:
    return "by filter" if isinstance(body, dict) and "filter" in body else "by ids"


PlanRequest = Annotated[
    Annotated[ThreadIds, Tag("by ids")] | Annotated[Matching, Tag("by filter")],
    Discriminator(_form),
]


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
    came_back: dict[str, int] | None = Field(
        default=None,
        description="Rows by table that a worker wrote after its run was deleted: delete those ids "
        "again. Only where there are any",
        examples=[{"checkpoints": 149}],
    )
    came_back_ids: list[str] | None = Field(
        default=None,
        description="The runs of those rows, only where there are any",
        examples=[[EXAMPLE_ID]],
    )
    operation_id: str = Field(
        description="Its receipt is at /operations/{operation_id}/receipt",
        examples=[EXAMPLE_OPERATION],
    )

    @classmethod
    def of(
        cls, plan: DeletionPlan, receipt: Receipt, operation_id: str, still_running: str
    ) -> Deleted:
        """The answer for a plan and its receipt."""
        errors = {run.thread_id: still_running for run in plan.excluded}
        came_back: dict[str, int] = {}
        runs: tuple[str, ...] = ()
        if isinstance(receipt, DeletionReceipt):
            errors |= {run.thread_id: run.error for run in receipt.left_out}
            came_back = {one.table: one.rows for one in receipt.came_back or ()}
            runs = receipt.came_back_runs
        errors |= {run.thread_id: run.error for run in receipt.failed}
        return cls(
            operation_id=operation_id,
            came_back=came_back or None,
            came_back_ids=list(runs) or None,
            deleted_count=receipt.done_count,
            failed=[
                Failure(thread_id=thread_id, error=errors[thread_id])
                for thread_id in plan.asked
                if thread_id in errors
            ],
            unknown_statuses=None if plan.include_running else _unknown(plan) or None,
            remarks=list(receipt.remarks) or None,
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


class StatusOfPlan(BaseModel):
    """How many of a plan's runs have one status."""

    status: str | None = Field(description="The host's own word", examples=["completed"])
    kind: Kind = Field(description="What it means", examples=["completed"])
    runs: int = Field(examples=[12408])


class RunsOf(BaseModel):
    """How many of a plan's runs one user, or one workspace, has."""

    name: str | None = Field(description="null: none", examples=["kate"])
    runs: int = Field(examples=[12])


class TallyOfRuns(BaseModel):
    """What a plan's runs are like as a whole; most runs first, times in ISO 8601, UTC."""

    statuses: list[StatusOfPlan]
    users: list[RunsOf]
    workspaces: list[RunsOf]
    first: str | None = Field(description="The earliest start", examples=[EXAMPLE_TIME])
    last: str | None = Field(description="The latest start", examples=[EXAMPLE_TIME])
    undated: int = Field(description="How many have no time of start", examples=[0])

    @classmethod
    def of(cls, tally: Tally) -> TallyOfRuns:
        """The answer for one record."""
        return cls(
            statuses=[
                StatusOfPlan(status=status, kind=kind.shown, runs=runs)
                for status, kind, runs in tally.statuses
            ],
            users=[RunsOf(name=name, runs=runs) for name, runs in tally.users],
            workspaces=[RunsOf(name=name, runs=runs) for name, runs in tally.workspaces],
            first=utc_text(tally.first),
            last=utc_text(tally.last),
            undated=tally.undated,
        )


class Forecast(OfRecord):
    """The copy that would be kept of the rows."""

    place: str = Field(examples=["the archive"])
    likely_bytes: int = Field(examples=[1048576])
    free_bytes: int | None = Field(
        description="What is free there; null: nobody can say", examples=[52428800]
    )
    days: float = Field(description="How long it is kept", examples=[30.0])
    obstacle: str | None = Field(
        description="Why no copy can be kept; null where it can", examples=[None]
    )


class Plan(BaseModel):
    """What a deletion of these runs would do. Nothing has been changed."""

    total: int = Field(description="How many runs would go", examples=[1])
    by_status: dict[str, int] = Field(
        description='Those runs by status; "" for none', examples=[{"completed": 1}]
    )
    running_left_out: list[str] = Field(
        description="Still running, and not included; of a filter's runs the first"
    )
    unknown_statuses: list[UnknownStatus]
    held: list[HeldRun] = Field(description="They stay: a row that the host keeps refers to them")
    missing: list[str] = Field(description="Without a row anywhere")
    orphans: list[str] = Field(description="Without a row of their own, with traces that would go")
    tables: list[TableRows]
    kept: list[TableKept]
    left_behind: list[TableLeft]
    unseen: list[str] = Field(description="What cannot be known beforehand, each said in words")
    plan_id: str = Field(
        description="What `POST /operations` takes, once, within an hour, and from its maker only",
        examples=[EXAMPLE_OPERATION],
    )
    sentence: str = Field(
        description='Which runs a filter takes, in words; "" for ids', examples=["user “kate”"]
    )
    until: str | None = Field(
        description="The cut-off of a filter: runs that started later stay", examples=[EXAMPLE_TIME]
    )
    matching: int | None = Field(
        description="How many of the filter's runs would go; null for ids", examples=[12408]
    )
    running: int = Field(
        description="How many are still running and left out, all of them", examples=[0]
    )
    active: list[str] = Field(
        description="They have written within the last minutes, and are not included; of a "
        "filter's runs the first"
    )
    looks_on: bool = Field(
        description="true: there are too many runs to ask beforehand which of them still write: "
        "each batch looks, and leaves those out"
    )
    about: bool = Field(
        description="true: rows and bytes are estimated from some of the runs, within about 4 %"
    )
    tally: TallyOfRuns | None = Field(description="What all the runs are like as a whole")
    archive: Forecast | None = Field(description="null: no copy would be kept, nothing can undo it")
    undo_needs: list[str] = Field(
        description="What the database role lacks for undoing it, each said in words"
    )

    @classmethod
    def of(cls, plan: DeletionPlan) -> Plan:
        """The answer for one plan that is kept."""
        counted = plan.matching is None
        return cls(
            total=plan.total,
            by_status=_by_status(plan),
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
            plan_id=plan.plan_id or "",
            sentence=plan.sentence,
            until=utc_text(plan.until),
            matching=plan.matching,
            running=len(plan.excluded) if counted else plan.running,
            active=[run.thread_id for run in plan.active],
            looks_on=plan.looks_on,
            about=plan.is_about,
            tally=None if plan.tally is None else TallyOfRuns.of(plan.tally),
            archive=None if plan.archive is None else Forecast.model_validate(plan.archive),
            undo_needs=list(plan.undo_lacks),
        )


def _by_status(plan: DeletionPlan) -> dict[str, int]:
    found: dict[str, int] = {}
    if plan.matching is not None and plan.tally is not None:
        of_all = [(status, runs) for status, _kind, runs in plan.tally.statuses]
    else:
        # A run without a row of its own has no status either.
        of_all = [(run.status, 1) for run in plan.runs if not run.is_orphan]
    for status, runs in of_all:
        found[status or ""] = found.get(status or "", 0) + runs
    return found


def _unknown(plan: DeletionPlan) -> list[UnknownStatus]:
    if plan.matching is not None and plan.tally is not None:
        return [
            UnknownStatus(status=status, runs=runs)
            for status, kind, runs in plan.tally.statuses
            if kind is StatusKind.UNKNOWN
        ]
    return [UnknownStatus.model_validate(one) for one in plan.unknown_statuses]
