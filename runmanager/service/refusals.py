"""Refusals: whoever asks for an operation and does not get it has a line in the audit log.

It is written here, where the pages and the API come by, and so once for either.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from runmanager.audit import log_refused
from runmanager.errors import (
    ArchiveError,
    DatabaseDeniedError,
    NotAdminError,
    OperationStateError,
    OutdatedPlanError,
    PlanExpiredError,
    PlanUsedError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runmanager.records import Actor, Origin

# Somebody, or something, said no. What is asked for wrongly, or of nothing that is there, is none,
# nor is a database or store that does not answer: nobody knows then what became of the question.
_REFUSALS = (
    NotAdminError,
    OperationStateError,
    OutdatedPlanError,
    PlanExpiredError,
    PlanUsedError,
    DatabaseDeniedError,
    ArchiveError,
)


@contextmanager
def noting_refusals(
    asked: str, actor: Actor, origin: Origin, operation_id: str | None = None
) -> Iterator[None]:
    """Write a line where what the actor has ``asked`` for inside the block is refused.

    ``operation_id`` is the operation that it was asked of, or the plan that was to be started. What
    only looks at things, such as a plan, does not belong inside. One block inside another would
    write two lines of the same refusal.
    """
    try:
        yield
    except _REFUSALS as error:
        log_refused(
            asked,
            actor.username,
            origin,
            error.message,
            actor_id=actor.user_id,
            operation_id=operation_id,
        )
        raise
