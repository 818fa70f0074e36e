"""Reading: runs, the filter lists, and one run in full."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request

from runmanager.api import schemas
from runmanager.api.context import CallingActor, ContextOf, admins_only
from runmanager.api.ids import register_convertors
from runmanager.api.parameters import (
    CheckpointParameters,
    LogParameters,
    PageParameters,
    RunsParameters,
    WithoutParameters,
)
from runmanager.errors import RunNotFoundError
from runmanager.filters import ENTRIES, RunFilter

register_convertors()
router = APIRouter(tags=["finding"], dependencies=admins_only)

ThreadId = Annotated[str, Path(description="The run's id", examples=["0198c0de-7f3a-7c1e"])]
PageQuery = Annotated[PageParameters, Query()]


@router.get("/runs")
def list_runs(
    context: ContextOf, actor: CallingActor, query: Annotated[RunsParameters, Query()]
) -> schemas.Runs:
    """The runs that match every filter given, newest first, those without a time last."""
    found = context.service.finding.list_runs(actor, query.run_filter, query.request)
    return schemas.Runs(
        runs=[schemas.Run.of(run) for run in found.items],
        total=found.total,
        total_is_exact=found.known_total.is_exact,
        page=query.page,
        page_size=query.page_size,
    )


@router.get("/filters")
def list_filters(
    context: ContextOf, actor: CallingActor, _none: WithoutParameters
) -> schemas.Filters:
    """What runs can be narrowed down by on this host, as parameters of `GET /runs`."""
    context.service.finding.require_admin(actor)
    return schemas.Filters(
        filters=[
            schemas.Filter(
                key=key,
                description=ENTRIES[key].description,
                without=ENTRIES[key].word if ENTRIES[key].has_without else None,
            )
            for key in context.service.finding.offered
        ]
    )


@router.get("/filters/{key:id}/values")
def list_values(
    context: ContextOf, actor: CallingActor, _none: WithoutParameters, key: str
) -> schemas.FilterValues:
    """The values of one filter that runs have, each with the name it is called by."""
    found = context.service.finding.choices(actor, key, RunFilter())
    return schemas.FilterValues(
        values=[schemas.FilterValue(value=one.value, name=one.name) for one in found.items],
        is_complete=found.is_complete,
    )


@router.get("/usernames")
def list_usernames(
    context: ContextOf, actor: CallingActor, _none: WithoutParameters
) -> schemas.Usernames:
    """The names of users that have runs."""
    return schemas.Usernames(usernames=list(context.service.finding.usernames(actor)))


@router.get("/workspaces")
def list_workspaces(
    context: ContextOf, actor: CallingActor, _none: WithoutParameters
) -> schemas.Workspaces:
    """The ids of workspaces that have runs."""
    choices = context.service.finding.workspaces(actor)
    return schemas.Workspaces(workspaces=sorted(one.value for one in choices))


# The longer paths first: an id may hold slashes.


@router.get("/runs/{thread_id:run_id}/logs")
def list_logs(
    context: ContextOf,
    actor: CallingActor,
    thread_id: ThreadId,
    query: Annotated[LogParameters, Query()],
) -> schemas.Logs:
    """One page of a run's log."""
    tables = context.service.reviewing.log_tables
    if not tables:
        context.service.reviewing.run(actor, thread_id)
        return schemas.Logs(logs=[], total=0, page=1, page_size=query.page_size)
    found = context.service.reviewing.logs(
        actor,
        thread_id,
        query.table or tables[0],
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
        blobs=[schemas.StoredValue.of(blob) for blob in found.items],
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
