"""Deleting: what would go, and the deletion itself."""

from __future__ import annotations

from fastapi import APIRouter

from runmanager.api import schemas
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
    counts once.
    """
    with context.deleting():
        plan, receipt, _id = context.service.deleting.delete(
            actor, body.thread_ids, include_running=body.include_running
        )
    return schemas.Deleted.of(plan, receipt, STILL_RUNNING)


@router.post("/deletion-plan")
def plan_deletion(
    context: ContextOf, actor: CallingActor, _none: WithoutParameters, body: schemas.ThreadIds
) -> schemas.Plan:
    """What `DELETE /runs` with the same body would do, counted exactly; it changes nothing."""
    plan = context.service.deleting.plan(
        actor, body.thread_ids, include_running=body.include_running
    )
    return schemas.Plan.of(plan)
