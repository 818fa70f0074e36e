"""Operations, as the API starts, steers and answers them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from runmanager import records
from runmanager.api.parameters import MAX_NAME, MAX_TEXT
from runmanager.api.schemas import EXAMPLE_ID, EXAMPLE_OPERATION, EXAMPLE_TIME, utc_text
from runmanager.deletion import MAX_RUNS
from runmanager.paging import Page
from runmanager.records import OperationState, OperationView, RestorePlan

# An operation that holds 10,000 errors is asked for by its receipt.
MAX_FAILURES = 100


class Start(BaseModel):
    """The plan that is to be carried out."""

    model_config = ConfigDict(extra="forbid", strict=True)

    plan_id: str = Field(
        max_length=MAX_NAME,
        description="`plan_id` of an answer to `POST /deletion-plan`",
        examples=[EXAMPLE_OPERATION],
    )
    reason: str | None = Field(
        default=None,
        max_length=MAX_TEXT,
        description="Why; it stands in the receipt and in the audit log. Needed above as many runs "
        "as RUNMANAGER_REASON_ABOVE says",
        examples=["Customer 4711 asked for erasure"],
    )
    archive: bool | None = Field(
        default=None,
        description="false: keep no copy of the rows, so that nothing can undo it. As the settings "
        "say, where it is left out",
        examples=[True],
    )


class ChosenRuns(BaseModel):
    """Which runs of an operation are to be restored."""

    model_config = ConfigDict(extra="forbid", strict=True)

    thread_ids: Annotated[list[str], Field(min_length=1, max_length=MAX_RUNS)] | None = Field(
        default=None,
        description="Only these; all of the operation where it is left out",
        examples=[[EXAMPLE_ID]],
    )


class Who(BaseModel):
    """The administrator who asked for it."""

    id: str = Field(examples=["1"])
    name: str = Field(examples=["ada"])


class KeptCopy(BaseModel):
    """The copy of what an operation deleted."""

    bytes: int = Field(examples=[1048576])
    until: str | None = Field(
        description="Until when it is kept, ISO 8601, UTC; null: it is there no more",
        examples=[EXAMPLE_TIME],
    )
    purged_at: str | None = Field(
        description="When it was removed, ISO 8601, UTC; null: it was not", examples=[None]
    )


class Operation(BaseModel):
    """One deletion, restore or purge, as it stands; times are ISO 8601, UTC."""

    id: str = Field(examples=[EXAMPLE_OPERATION])
    kind: str = Field(description="deletion, restore or purge", examples=["deletion"])
    state: OperationState = Field(
        description="planned: not started. queued: waits its turn. interrupted: its process is "
        "gone, and it is gone on with by itself. finished: nothing more will come of it",
        examples=["running"],
    )
    wanted: str | None = Field(
        description="What somebody has asked of it since: stop or pause, after its present batch",
        examples=[None],
    )
    actor: Who
    how: str = Field(description="Where it was asked for: page or api", examples=["api"])
    total: int = Field(description="How many runs it is about", examples=[12408])
    done: int = Field(examples=[12000])
    failed: int = Field(examples=[3])
    sentence: str = Field(
        description='Which runs a filter takes, in words; "" for ids', examples=["user “kate”"]
    )
    reason: str | None = Field(examples=["Customer 4711 asked for erasure"])
    message: str | None = Field(description="Why it does not go on", examples=[None])
    interruptions: int = Field(
        description="How often it was broken off, and gone on with", examples=[0]
    )
    stopped: bool = Field(description="true: somebody ended it before all was done")
    parent: str | None = Field(
        description="The operation that it restores or purges", examples=[None]
    )
    created_at: str = Field(examples=[EXAMPLE_TIME])
    started_at: str | None = Field(examples=[EXAMPLE_TIME])
    ended_at: str | None = Field(examples=[EXAMPLE_TIME])
    archive: KeptCopy | None = Field(description="null: it keeps no copy")

    @classmethod
    def of(cls, view: OperationView) -> Operation:
        """The answer for one record."""
        return cls(**_fields(view))


class FailedRun(BaseModel):
    """A run that is as it was, and why."""

    thread_id: str = Field(examples=[EXAMPLE_ID])
    error: str = Field(examples=["Run not found"])


class OpenedOperation(Operation):
    """One operation, and once it has finished what came of it; the receipt has every run."""

    rows: dict[str, int] | None = Field(
        description="Rows by table; null: it has not finished", examples=[{"checkpoints": 12}]
    )
    failures: list[FailedRun] | None = Field(description="The first 100; null: it has not finished")
    remarks: list[str] | None = Field(
        description="What else happened, in sentences; null: it has not finished",
        examples=[["1 run had orphan rows only: they were cleaned up."]],
    )

    @classmethod
    def of(cls, view: OperationView) -> OpenedOperation:
        """The answer for one record."""
        receipt = view.receipt
        if receipt is None:
            return cls(**_fields(view), rows=None, failures=None, remarks=None)
        return cls(
            **_fields(view),
            rows=dict(receipt.tables),
            failures=[
                FailedRun(thread_id=run.thread_id, error=run.error)
                for run in receipt.failed[:MAX_FAILURES]
            ],
            remarks=list(receipt.remarks),
        )


def _fields(view: OperationView) -> dict[str, Any]:
    has_copy = view.archive_until is not None or view.purged_at is not None
    return {
        "id": view.operation_id,
        "kind": view.kind.name,
        "state": view.state,
        "wanted": view.wanted,
        "actor": Who(id=view.actor.user_id, name=view.actor.username),
        "how": view.origin,
        "total": view.total,
        "done": view.done,
        "failed": view.failed,
        "sentence": view.sentence,
        "reason": view.reason,
        "message": view.message,
        "interruptions": view.interruptions,
        "stopped": view.was_stopped,
        "parent": view.parent,
        "created_at": utc_text(view.created_at),
        "started_at": utc_text(view.started_at),
        "ended_at": utc_text(view.ended_at),
        "archive": KeptCopy(
            bytes=view.archive_bytes,
            until=utc_text(view.archive_until),
            purged_at=utc_text(view.purged_at),
        )
        if has_copy or view.archive_bytes
        else None,
    }


class KeptCopies(BaseModel):
    """What is kept of all that was deleted, whatever the page shows."""

    operations: int = Field(description="Of how many deletions a copy is kept", examples=[34])
    bytes: int = Field(description="How big these copies are together", examples=[1073741824])
    uncounted: int = Field(
        description="How many deletions have not finished: their copies are counted at their end",
        examples=[0],
    )


class ListedOperations(BaseModel):
    """One page of operations, the newest first; the last one for a page past the end."""

    operations: list[Operation]
    total: int = Field(examples=[17])
    page: int = Field(examples=[1])
    page_size: int = Field(examples=[50])
    kept: KeptCopies

    @classmethod
    def of(cls, found: Page[OperationView], kept: records.KeptCopies) -> ListedOperations:
        """The answer for one page."""
        return cls(
            operations=[Operation.of(one) for one in found.items],
            total=found.total,
            page=found.number,
            page_size=found.size,
            kept=KeptCopies(operations=kept.operations, bytes=kept.bytes, uncounted=kept.uncounted),
        )


class RefusedRun(BaseModel):
    """A run that would stay as it is, and why."""

    thread_id: str = Field(examples=[EXAMPLE_ID])
    reason: str = Field(examples=["A run with this id exists again."])


class Restoring(BaseModel):
    """What putting runs back would do. Nothing has been changed."""

    runs: int = Field(description="How many would be put back", examples=[1])
    tables: dict[str, int] = Field(description="Their rows", examples=[{"checkpoints": 12}])
    refused: list[RefusedRun]
    triggers: list[str] = Field(description="What of the host's would fire", examples=[[]])
    changes: list[str] = Field(
        description="What would not be as it was: columns, users and workspaces that are gone",
        examples=[[]],
    )
    obstacle: str | None = Field(
        description="Why nothing can be put back; null where it can", examples=[None]
    )

    @classmethod
    def of(cls, plan: RestorePlan) -> Restoring:
        """The answer for one record."""
        return cls(
            runs=plan.runs,
            tables=dict(plan.tables),
            refused=[RefusedRun(thread_id=one, reason=reason) for one, reason in plan.refused],
            triggers=list(plan.triggers),
            changes=list(plan.changes),
            obstacle=plan.obstacle,
        )
