"""A filter's runs as a whole: their statuses, and how they spread over time."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from runmanager.api import schemas_triage as schemas
from runmanager.api.context import CallingActor, ContextOf, admins_only
from runmanager.api.parameters import FilterParameters, HistogramParameters

router = APIRouter(tags=["finding"], dependencies=admins_only)


@router.get("/statuses")
def count_statuses(
    context: ContextOf, actor: CallingActor, query: Annotated[FilterParameters, Query()]
) -> schemas.StatusesOfRuns:
    """How many runs have each status, of those that match every filter but `kind` and `status`.

    So each number is what that status alone would give.
    """
    return schemas.StatusesOfRuns.of(context.service.triage.statuses(actor, query.run_filter))


@router.get("/histogram")
def count_over_time(
    context: ContextOf, actor: CallingActor, query: Annotated[HistogramParameters, Query()]
) -> schemas.RunsOverTime:
    """How many runs of each kind started when, of those that match every filter given.

    The spans begin at round times, but for the first and the last where `since` and `until` cut
    them.
    """
    found = context.service.triage.histogram(
        actor, query.run_filter, query.buckets, query.time_zone
    )
    return schemas.RunsOverTime.of(found)
