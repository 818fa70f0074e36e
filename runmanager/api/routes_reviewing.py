"""Looking one run over: its facts, its log, its checkpoints and its stored values."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Path, Query
from pydantic import Field

from runmanager.api import schemas_reviewing as schemas
from runmanager.api.context import REPEATED, CallingActor, ContextOf, admins_only
from runmanager.api.ids import register_convertors
from runmanager.api.routes_finding import MAX_NAME, MAX_SEARCH, PageNumber, PageSize
from runmanager.api.schemas import TableLeft, TableRows
from runmanager.errors import RunNotFoundError
from runmanager.paging import DEFAULT_SIZE, PageRequest

register_convertors()
router = APIRouter(tags=["reviewing"], dependencies=admins_only)

MAX_LEVELS = 10
MAX_KEY = 2000

LogTable = Annotated[
    Literal["logs", "thread_logs"] | None,
    Query(description="Which log table, where the host has two"),
]
ThreadId = Annotated[str, Path(description="The run's id", examples=["0198c0de-7f3a-7c1e"])]


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
    table: LogTable = None,
) -> schemas.Logs:
    """One page of a run's log."""
    found = context.service.reviewing.logs(
        actor,
        thread_id,
        table,
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


@router.get("/runs/{thread_id:run_id}/logs/line")
def open_log_line(
    context: ContextOf,
    actor: CallingActor,
    thread_id: ThreadId,
    key: Annotated[str, Query(max_length=MAX_KEY, description="The key that the line has")],
    table: LogTable = None,
) -> schemas.LogLine:
    """One line of a run's log, nothing of it left out."""
    entry = context.service.reviewing.log_line(actor, thread_id, table, key)
    return schemas.LogLine.of(entry)


@router.get("/runs/{thread_id:run_id}/text/{column:id}")
def whole_text(
    context: ContextOf,
    actor: CallingActor,
    thread_id: ThreadId,
    column: Annotated[str, Path(description="A column of a run's row", examples=["error_message"])],
) -> schemas.WholeText:
    """One column of a run's row as text, nothing of it left out."""
    return schemas.WholeText.of(context.service.reviewing.whole_text(actor, thread_id, column))


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
        [TableRows(table=one.table, rows=one.rows, bytes=one.stored_bytes) for one in going],
        [TableLeft(table=one.table, rows=one.rows) for one in left],
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
