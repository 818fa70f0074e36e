"""Deleting: what would go, and the deletion itself."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body

from runmanager.api import schemas_deleting as schemas
from runmanager.api.context import CallingActor, ContextOf, admins_only
from runmanager.api.parameters import WithoutParameters
from runmanager.deletion import STILL_RUNNING

router = APIRouter(tags=["deleting"], dependencies=admins_only)


@router.delete("/runs", response_model_exclude_defaults=True)
def delete_runs(
    context: ContextOf, actor: CallingActor, _none: WithoutParameters, body: schemas.ThreadIds
) -> schemas.Deleted:
    """Delete these runs with every trace, each wholly or not at all.

    It answers when all is done; a caller that hangs up does not stop it. An id that is given twice
    counts once. Where Run Manager is shut down meanwhile it answers 503 with the operation's id,
    which says what became of each run.
    """
    with context.deleting():
        plan, receipt, operation_id = context.service.deleting.delete(
            actor, body.thread_ids, include_running=body.include_running
        )
    return schemas.Deleted.of(plan, receipt, operation_id, STILL_RUNNING)


@router.post("/deletion-plan")
def plan_deletion(
    context: ContextOf,
    actor: CallingActor,
    _none: WithoutParameters,
    body: Annotated[schemas.PlanRequest, Body()],
) -> schemas.Plan:
    """What deleting these runs would do; it changes nothing.

    With ids it counts exactly what `DELETE /runs` with the same body would do. With a filter, up to
    1,000,000 runs, of which those that started after the cut-off stay.
    """
    deleting = context.service.deleting
    if isinstance(body, schemas.Matching):
        plan = deleting.plan_matching(
            actor,
            body.run_filter,
            until=body.cut_off,
            excepting=body.excepting,
            every=body.every,
            include_running=body.include_running,
        )
    else:
        planned = deleting.plan(actor, body.thread_ids, include_running=body.include_running)
        plan = deleting.keep(actor, planned)
    return schemas.Plan.of(plan)
