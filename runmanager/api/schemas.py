"""What the API reads and answers, as it stands in ``openapi.json``.

One run in full is in ``schemas_reviewing.py``, the runs of a filter as a whole in
``schemas_triage.py``, plans and deletions in ``schemas_deleting.py``, operations in
``schemas_operations.py``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, overload

from pydantic import BaseModel, ConfigDict, Field

from runmanager.filters import KINDS
from runmanager.records import RunSummary

Kind = Annotated[str, Field(json_schema_extra={"enum": [*KINDS]})]
EXAMPLE_ID = "0198c0de-7f3a-7c1e-9d2b-5e8f00000001"
EXAMPLE_OPERATION = "7d0f3c1e9b2a4c55a1e0d2f4c6b8a901"
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


class IssuedToken(BaseModel):
    """A bearer token (RFC 6749, section 5.1)."""

    access_token: str
    token_type: str = Field(default="bearer", examples=["bearer"])
    expires_in: int = Field(description="Seconds", examples=[1800])


class Health(BaseModel):
    """That the process is up, and whether it reaches the database."""

    status: str = Field(default="ok", examples=["ok"])
    database: bool
