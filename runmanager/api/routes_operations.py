"""Operations: started from a plan, looked at, steered, undone and accounted for."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from runmanager.api import schemas_operations as schemas
from runmanager.api.context import CallingActor, ContextOf, admins_only
from runmanager.api.ids import register_convertors
from runmanager.api.parameters import (
    OperationsParameters,
    ReceiptParameters,
    RestoreParameters,
    WithoutParameters,
)
from runmanager.api.problems import Problem
from runmanager.api.streaming import prefers_html, streamed
from runmanager.errors import OperationNotFoundError
from runmanager.receipts import POLICY
from runmanager.records import OperationView, Origin

register_convertors()
_ID = re.compile("[0-9A-Za-z_-]{1,64}", re.ASCII)
_LOCATION = {"description": "Where the operation is", "schema": {"type": "string"}}
_ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {"description": "It is on its way", "headers": {"Location": _LOCATION}},
    409: {"model": Problem, "description": "It is not in a state in which this can be asked of it"},
    410: {"model": Problem, "description": "The plan, or the copy of the rows, is there no more"},
}
_STEERED = {status: answer for status, answer in _ACCEPTED.items() if status != 410}  # noqa: PLR2004
_OF_FINISHED: dict[int | str, dict[str, Any]] = {
    409: {"model": Problem, "description": "It has not finished, or is of another kind"},
    410: {"model": Problem, "description": "Its files are there no more"},
}
_RECEIPT = _OF_FINISHED | {
    200: {
        "description": "JSON, or HTML where it is asked for",
        "content": {
            "application/json": {"schema": {"type": "object"}},
            "text/html": {"schema": {"type": "string"}},
        },
    }
}
router = APIRouter(tags=["operations"], dependencies=admins_only)

OperationId = Annotated[str, Path(description="The operation's id", examples=["7d0f3c1e9b2a4c55"])]


@router.post("/operations", status_code=202, responses=_ACCEPTED)
def start_operation(
    request: Request,
    response: Response,
    context: ContextOf,
    actor: CallingActor,
    _none: WithoutParameters,
    body: schemas.Start,
) -> schemas.Operation:
    """Start deleting exactly what a plan says; it goes on whatever becomes of the caller.

    A plan is its maker's, is used once, and is good for an hour.
    """
    view = context.service.deleting.start_kept(
        actor, _known(body.plan_id), reason=body.reason, archive=body.archive, origin=Origin.API
    )
    return _begun(request, response, view)


@router.get("/operations")
def list_operations(
    context: ContextOf, actor: CallingActor, query: Annotated[OperationsParameters, Query()]
) -> schemas.ListedOperations:
    """The operations of every administrator, the newest first."""
    operations = context.service.operations
    found = operations.list(actor, query.request, query.which)
    return schemas.ListedOperations.of(found, operations.kept(actor))


@router.get("/operations/{operation_id:id}")
def open_operation(
    context: ContextOf, actor: CallingActor, _none: WithoutParameters, operation_id: OperationId
) -> schemas.OpenedOperation:
    """One operation as it stands; once it has finished, also what came of it."""
    view = context.service.operations.get(actor, _known(operation_id))
    return schemas.OpenedOperation.of(view)


@router.get(
    "/operations/{operation_id:id}/receipt", responses=_RECEIPT, response_class=StreamingResponse
)
def read_receipt(
    request: Request,
    context: ContextOf,
    actor: CallingActor,
    operation_id: OperationId,
    query: Annotated[ReceiptParameters, Query()],
) -> StreamingResponse:
    """The receipt: every run and what became of it, as JSON or as a document to hand over."""
    operations = context.service.operations
    operation_id = _known(operation_id)
    accept = request.headers.get("accept", "")
    if query.format == "html" or (not query.format and prefers_html(accept)):
        name = f'inline; filename="receipt-{operation_id}.html"'
        headers = {"Content-Security-Policy": POLICY, "Content-Disposition": name}
        return streamed(operations.receipt_html(actor, operation_id), "text/html", headers)
    return streamed(operations.receipt_json(actor, operation_id), "application/json")


@router.post("/operations/{operation_id:id}/pause", status_code=202, responses=_STEERED)
def pause_operation(
    request: Request,
    response: Response,
    context: ContextOf,
    actor: CallingActor,
    _none: WithoutParameters,
    operation_id: OperationId,
) -> schemas.Operation:
    """Let it pause after its present batch."""
    view = context.service.operations.pause(actor, _known(operation_id), Origin.API)
    return _begun(request, response, view)


@router.post("/operations/{operation_id:id}/resume", status_code=202, responses=_STEERED)
def resume_operation(
    request: Request,
    response: Response,
    context: ContextOf,
    actor: CallingActor,
    _none: WithoutParameters,
    operation_id: OperationId,
) -> schemas.Operation:
    """Let it go on where it was paused or broken off."""
    view = context.service.operations.resume(actor, _known(operation_id), Origin.API)
    return _begun(request, response, view)


@router.post("/operations/{operation_id:id}/stop", status_code=202, responses=_STEERED)
def stop_operation(
    request: Request,
    response: Response,
    context: ContextOf,
    actor: CallingActor,
    _none: WithoutParameters,
    operation_id: OperationId,
) -> schemas.Operation:
    """End it for good after its present batch; what is done stays done, and it has a receipt."""
    view = context.service.operations.stop(actor, _known(operation_id), Origin.API)
    return _begun(request, response, view)


@router.post("/operations/{operation_id:id}/retry", status_code=202, responses=_ACCEPTED)
def retry_operation(
    request: Request,
    response: Response,
    context: ContextOf,
    actor: CallingActor,
    _none: WithoutParameters,
    operation_id: OperationId,
) -> schemas.Operation:
    """Start a new deletion of the runs that failed; the answer is that new operation.

    Another run that has the id of one by now was not confirmed: it is left out, and the receipt of
    the new operation names it. Of more than 10,000 it takes the first that the receipt names: plan
    the others anew.
    """
    view = context.service.operations.retry(actor, _known(operation_id), origin=Origin.API)
    return _begun(request, response, view)


@router.get("/operations/{operation_id:id}/restore-plan", responses=_OF_FINISHED)
def plan_restore(
    context: ContextOf,
    actor: CallingActor,
    operation_id: OperationId,
    query: Annotated[RestoreParameters, Query()],
) -> schemas.Restoring:
    """What `POST /operations/{operation_id}/restore` would do; it changes nothing."""
    plan = context.service.operations.plan_restore(
        actor, _known(operation_id), tuple(query.thread_id) or None
    )
    return schemas.Restoring.of(plan)


@router.post("/operations/{operation_id:id}/restore", status_code=202, responses=_ACCEPTED)
def restore_operation(
    request: Request,
    response: Response,
    context: ContextOf,
    actor: CallingActor,
    _none: WithoutParameters,
    operation_id: OperationId,
    body: Annotated[schemas.ChosenRuns | None, Body()] = None,
) -> schemas.Operation:
    """Put back what it deleted, each run wholly or not at all; the answer is the new operation.

    Without a body all of its runs. Nothing is overwritten: a run whose id exists again is refused.
    """
    chosen = body.thread_ids if body is not None else None
    view = context.service.operations.restore(
        actor,
        _known(operation_id),
        None if chosen is None else tuple(chosen),
        origin=Origin.API,
    )
    return _begun(request, response, view)


@router.post("/operations/{operation_id:id}/purge", status_code=202, responses=_ACCEPTED)
def purge_operation(
    request: Request,
    response: Response,
    context: ContextOf,
    actor: CallingActor,
    _none: WithoutParameters,
    operation_id: OperationId,
) -> schemas.Operation:
    """Remove the copy of what it deleted for good; the receipt stays. The answer is the new one."""
    view = context.service.operations.purge(actor, _known(operation_id), origin=Origin.API)
    return _begun(request, response, view)


def _known(operation_id: str) -> str:
    """An id as there may be one. Raises OperationNotFoundError for any other text."""
    if not _ID.fullmatch(operation_id):
        raise OperationNotFoundError
    return operation_id


def _begun(request: Request, response: Response, view: OperationView) -> schemas.Operation:
    base = request.scope["root_path"]
    response.headers["Location"] = f"{base}/operations/{view.operation_id}"
    return schemas.Operation.of(view)
