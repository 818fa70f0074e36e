"""Finding: the list of runs, and what it can be filtered by."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from runmanager.api import schemas
from runmanager.api.context import CallingActor, ContextOf, admins_only
from runmanager.api.ids import register_convertors
from runmanager.api.parameters import RunsParameters, WithoutParameters
from runmanager.api.places import write_place
from runmanager.filters import ENTRIES, RunFilter

register_convertors()
router = APIRouter(tags=["finding"], dependencies=admins_only)


@router.get("/runs")
def list_runs(
    context: ContextOf, actor: CallingActor, query: Annotated[RunsParameters, Query()]
) -> schemas.Runs:
    """The runs that match every filter given: newest first, those without a time last.

    In another order those without such a value come last. `next` in the answer reads on, also
    while runs are deleted.
    """
    found = context.service.finding.list_runs(
        actor, query.run_filter, query.request, query.order, query.place
    )
    # In another order than by time no place is known.
    place = found.last if found.has_next else None
    return schemas.Runs(
        runs=[schemas.ListedRun.of(run) for run in found.items],
        total=found.total,
        total_is_exact=found.known_total.is_exact,
        page=query.page,
        page_size=query.page_size,
        next=None if place is None else write_place(place),
    )


@router.get("/filters")
def list_filters(
    request: Request, context: ContextOf, actor: CallingActor, _none: WithoutParameters
) -> schemas.Filters:
    """What runs can be narrowed down and sorted by on this host, as parameters of `GET /runs`."""
    finding = context.service.finding
    finding.require_admin(actor)
    listed, base = finding.listed, request.scope["root_path"]
    counted = dict.fromkeys(("kind", "status"), f"{base}/statuses")
    calls = counted | {key: f"{base}/filters/{key}/values" for key in listed}
    return schemas.Filters(
        filters=[
            schemas.Filter(
                key=key,
                description=ENTRIES[key].description,
                without=ENTRIES[key].word if ENTRIES[key].has_without else None,
                is_repeatable=ENTRIES[key].is_repeatable,
                values=calls.get(key),
            )
            for key in finding.offered
        ],
        sorts=[one.value for one in finding.sorts],
        can_delete=context.service.deleting.denied is None,
    )


@router.get("/filters/{key:id}/values")
def list_values(
    context: ContextOf, actor: CallingActor, _none: WithoutParameters, key: str
) -> schemas.FilterValues:
    """The values of one filter that runs have, each with the name it is called by."""
    found = context.service.finding.choices(actor, key, RunFilter())
    return schemas.FilterValues(
        values=[schemas.FilterValue.model_validate(one) for one in found.items],
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
