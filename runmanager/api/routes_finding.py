"""Finding: the list of runs, and what it can be filtered by."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from runmanager.api import schemas
from runmanager.api.context import CallingActor, ContextOf, admins_only
from runmanager.filters import RunFilter
from runmanager.paging import DEFAULT_SIZE, MAX_NUMBER, MAX_SIZE, PageRequest

router = APIRouter(tags=["finding"], dependencies=admins_only)

# The web server takes 16 kB of address and headers, and a character may take twelve bytes of them.
MAX_SEARCH = 1000
MAX_NAME = 300

PageNumber = Annotated[int, Query(ge=1, le=MAX_NUMBER, description="From 1")]
PageSize = Annotated[int, Query(ge=1, le=MAX_SIZE, description="Rows a page")]


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
