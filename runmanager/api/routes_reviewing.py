"""Looking one run over: its facts, its log, its checkpoints and its stored values."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request

from runmanager.api import schemas_reviewing as schemas
from runmanager.api.context import CallingActor, ContextOf, admins_only
from runmanager.api.ids import register_convertors
from runmanager.api.parameters import (
    CheckpointParameters,
    LogLineParameters,
    LogParameters,
    PageParameters,
    WithoutParameters,
)
from runmanager.api.schemas import TableLeft, TableRows
from runmanager.errors import RunNotFoundError

register_convertors()
router = APIRouter(tags=["reviewing"], dependencies=admins_only)

ThreadId = Annotated[str, Path(description="The run's id", examples=["0198c0de-7f3a-7c1e"])]
PageQuery = Annotated[PageParameters, Query()]


# The longer paths first: an id may hold slashes.


@router.get("/runs/{thread_id:run_id}/logs")
def list_logs(
    context: ContextOf,
    actor: CallingActor,
    thread_id: ThreadId,
    query: Annotated[LogParameters, Query()],
) -> schemas.Logs:
    """One page of a run's log."""
    found = context.service.reviewing.logs(
        actor,
        thread_id,
        query.table,
        query.request,
        levels=query.level,
        newest_first=query.newest_first,
    )
    _require_run(context, actor, thread_id, found.total)
    return schemas.Logs(
        logs=[schemas.LogLine.of(entry) for entry in found.items],
        total=found.total,
        page=found.number,
        page_size=query.page_size,
    )


@router.get("/runs/{thread_id:run_id}/logs/line")
def open_log_line(
    context: ContextOf,
    actor: CallingActor,
    thread_id: ThreadId,
    query: Annotated[LogLineParameters, Query()],
) -> schemas.LogLine:
    """One line of a run's log, nothing of it left out."""
    entry = context.service.reviewing.log_line(actor, thread_id, query.table, query.key)
    return schemas.LogLine.of(entry)


@router.get("/runs/{thread_id:run_id}/text/{column:id}")
def whole_text(
    context: ContextOf,
    actor: CallingActor,
    _none: WithoutParameters,
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
    query: PageQuery,
) -> schemas.Checkpoints:
    """One page of a run's checkpoints, newest first."""
    found = context.service.reviewing.checkpoints(actor, thread_id, query.request)
    _require_run(context, actor, thread_id, found.total)
    return schemas.Checkpoints(
        checkpoints=[schemas.CheckpointLine.of(one) for one in found.items],
        total=found.total,
        page=found.number,
        page_size=query.page_size,
    )


@router.get("/runs/{thread_id:run_id}/checkpoints/{checkpoint_id:id}")
def open_checkpoint(
    context: ContextOf,
    actor: CallingActor,
    thread_id: ThreadId,
    checkpoint_id: str,
    query: Annotated[CheckpointParameters, Query()],
) -> schemas.Checkpoint:
    """One checkpoint with its JSON state, its metadata and its writes."""
    found = context.service.reviewing.checkpoint(actor, thread_id, query.namespace, checkpoint_id)
    return schemas.Checkpoint.opened(found)


@router.get("/runs/{thread_id:run_id}/blobs")
def list_blobs(
    context: ContextOf,
    actor: CallingActor,
    thread_id: ThreadId,
    query: PageQuery,
) -> schemas.Blobs:
    """One page of a run's stored channel values: types, versions and sizes."""
    found = context.service.reviewing.blobs(actor, thread_id, query.request)
    _require_run(context, actor, thread_id, found.total)
    return schemas.Blobs(
        blobs=[schemas.StoredValue.model_validate(blob) for blob in found.items],
        total=found.total,
        page=found.number,
        page_size=query.page_size,
    )


@router.get("/runs/{thread_id:run_id}")
def run_facts(
    request: Request,
    context: ContextOf,
    actor: CallingActor,
    _none: WithoutParameters,
    thread_id: ThreadId,
) -> schemas.RunFacts:
    """Everything the database has about one run."""
    detail = context.service.reviewing.run(actor, thread_id)
    going, left = context.service.reviewing.footprint(actor, thread_id)
    base = f"{request.scope['root_path']}/runs/{quote(thread_id, safe='')}"
    return schemas.RunFacts.facts(
        detail,
        [TableRows(table=one.table, rows=one.rows, bytes=one.stored_bytes) for one in going],
        [TableLeft.model_validate(one) for one in left],
        list(context.service.reviewing.unreadable.values()),
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
