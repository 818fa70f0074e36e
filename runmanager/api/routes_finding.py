"""Reading: runs, the filter lists, and one run in full."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Query
from pydantic import Field

from runmanager.api import schemas
from runmanager.api.context import REPEATED, CallingActor, ContextOf, admins_only
from runmanager.api.ids import register_convertors
from runmanager.errors import RunNotFoundError
from runmanager.filters import RunFilter
from runmanager.paging import DEFAULT_SIZE, MAX_NUMBER, MAX_SIZE, PageRequest

register_convertors()
router = APIRouter(tags=["finding"], dependencies=admins_only)

# The web server takes 16 kB of address and headers, and a character may take twelve bytes of them.
MAX_SEARCH = 1000
MAX_NAME = 300
MAX_LEVELS = 10

PageNumber = Annotated[int, Query(ge=1, le=MAX_NUMBER, description="From 1")]
PageSize = Annotated[int, Query(ge=1, le=MAX_SIZE, description="Rows a page")]
LogTable = Annotated[
    str,
    Query(max_length=MAX_NAME, description="Which log table, where the host has two"),
]
ThreadId = Annotated[str, Path(description="The run's id", examples=["0198c0de-7f3a-7c1e"])]


@router.get("/runs")
def list_runs(
    context: ContextOf,
    actor: CallingActor,
    page: PageNumber = 1,
    page_size: PageSize = DEFAULT_SIZE,
    username: Annotated[
        str, Query(max_length=MAX_NAME, description="A user's name, to the letter")
    ] = "",
    workspace: Annotated[str, Query(max_length=MAX_NAME, description="A workspace's id")] = "",
    search: Annotated[
        str,
        Query(max_length=MAX_SEARCH, description="A part of the id or name, whatever its case"),
    ] = "",
) -> schemas.Runs:
    """The runs that match every filter given, newest first, those without a time last."""
    run_filter = RunFilter.from_query(
        {"username": username, "workspace": workspace, "search": search}
    )
    found = context.service.finding.list_runs(actor, run_filter, PageRequest(page, page_size))
    return schemas.Runs(
        runs=[schemas.Run.of(run) for run in found.items],
        total=found.total,
        total_is_exact=found.known_total.is_exact,
        page=page,
        page_size=page_size,
    )


@router.get("/usernames")
def list_usernames(context: ContextOf, actor: CallingActor) -> schemas.Usernames:
    """The names of users that have runs."""
    return schemas.Usernames(usernames=list(context.service.finding.usernames(actor)))


@router.get("/workspaces")
def list_workspaces(context: ContextOf, actor: CallingActor) -> schemas.Workspaces:
    """The ids of workspaces that have runs."""
    choices = context.service.finding.workspaces(actor)
    return schemas.Workspaces(workspaces=sorted(one.workspace_id for one in choices))


# The longer paths first: an id may hold slashes.


@router.get("/runs/{thread_id:run_id}/logs")
def list_logs(
    context: ContextOf,
    actor: CallingActor,
    thread_id: ThreadId,
    page: PageNumber = 1,
    page_size: PageSize = 100,
    level: Annotated[
        tuple[Annotated[str, Field(max_length=MAX_NAME)], ...],
        Query(
            max_length=MAX_LEVELS,
            description="Only these levels; may be repeated",
            json_schema_extra=REPEATED,
        ),
    ] = (),
    newest_first: Annotated[bool, Query(description="false: oldest first")] = True,
    table: LogTable = "",
) -> schemas.Logs:
    """One page of a run's log."""
    found = context.service.reviewing.logs(
        actor,
        thread_id,
        table or None,
        PageRequest(page, page_size),
        levels=level,
        newest_first=newest_first,
    )
    _require_run(context, actor, thread_id, found.total)
    return schemas.Logs(
        logs=[schemas.LogLine.of(entry) for entry in found.items],
        total=found.total,
        page=found.number,
        page_size=page_size,
    )


@router.get("/runs/{thread_id:run_id}/checkpoints")
def list_checkpoints(
    context: ContextOf,
    actor: CallingActor,
    thread_id: ThreadId,
    page: PageNumber = 1,
    page_size: PageSize = DEFAULT_SIZE,
) -> schemas.Checkpoints:
    """One page of a run's checkpoints, newest first."""
    found = context.service.reviewing.checkpoints(actor, thread_id, PageRequest(page, page_size))
    _require_run(context, actor, thread_id, found.total)
    return schemas.Checkpoints(
        checkpoints=[schemas.CheckpointLine.of(one) for one in found.items],
        total=found.total,
        page=found.number,
        page_size=page_size,
    )


@router.get("/runs/{thread_id:run_id}/checkpoints/{checkpoint_id:id}")
def open_checkpoint(
    context: ContextOf,
    actor: CallingActor,
    thread_id: ThreadId,
    checkpoint_id: str,
    namespace: Annotated[
        str, Query(max_length=MAX_SEARCH, description="The checkpoint's namespace")
    ] = "",
) -> schemas.Checkpoint:
    """One checkpoint with its JSON state, its metadata and its writes."""
    found = context.service.reviewing.checkpoint(actor, thread_id, namespace, checkpoint_id)
    return schemas.Checkpoint.opened(found)


@router.get("/runs/{thread_id:run_id}/blobs")
def list_blobs(
    context: ContextOf,
    actor: CallingActor,
    thread_id: ThreadId,
    page: PageNumber = 1,
    page_size: PageSize = DEFAULT_SIZE,
) -> schemas.Blobs:
    """One page of a run's stored channel values: types, versions and sizes."""
    found = context.service.reviewing.blobs(actor, thread_id, PageRequest(page, page_size))
    _require_run(context, actor, thread_id, found.total)
    return schemas.Blobs(
        blobs=[schemas.StoredValue.of(blob) for blob in found.items],
        total=found.total,
        page=found.number,
        page_size=page_size,
    )


@router.get("/runs/{thread_id:run_id}")
def run_facts(context: ContextOf, actor: CallingActor, thread_id: ThreadId) -> schemas.RunFacts:
    """Everything the database has about one run."""
    detail = context.service.reviewing.run(actor, thread_id)
    going, left = context.service.reviewing.footprint(actor, thread_id)
    base = f"/admin/run-manager/runs/{quote(thread_id, safe='')}"
    return schemas.RunFacts.facts(
        detail,
        [
            schemas.TableRows(table=one.table, rows=one.rows, bytes=one.stored_bytes)
            for one in going
        ],
        [schemas.TableLeft(table=one.table, rows=one.rows) for one in left],
        schemas.Links(
            logs=f"{base}/logs", checkpoints=f"{base}/checkpoints", blobs=f"{base}/blobs"
        ),
    )


def _require_run(context: ContextOf, actor: CallingActor, thread_id: str, rows: int) -> None:
    """Raises RunNotFoundError where an empty page means that there is no such run."""
    if not rows and not thread_id:
        raise RunNotFoundError
    if not rows:
        context.service.reviewing.run(actor, thread_id)
