"""Deleting runs: the plan, and the operation that carries it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runmanager.audit import Origin
from runmanager.deletion import Deletion, plan_deletion
from runmanager.errors import OutdatedPlanError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from runmanager.records import Actor, DeletionPlan, OperationView, Receipt
    from runmanager.service.access import Access
    from runmanager.work.operations import Operations


@dataclass(frozen=True)
class Deleting:
    """Plans and deletions. ``_on_deleted`` is told the ids of the runs that each commit takes."""

    _access: Access
    _operations: Operations
    _on_deleted: Callable[[Iterable[str]], None]

    @property
    def denied(self) -> str | None:
        """Why the database role cannot delete runs, with the GRANT to make; None where it can."""
        return self._access.host.privileges.deleting

    def plan(
        self, actor: Actor, thread_ids: Sequence[str], *, include_running: bool = False
    ) -> DeletionPlan:
        """What deleting these runs would do.

        Raises InvalidRequestError for none or too many, and MissingGrantError where the role may
        not delete.
        """
        return self._access.read_to_delete(
            actor,
            lambda reading: plan_deletion(
                reading.connection, reading.host, thread_ids, include_running=include_running
            ),
        )

    def start(self, actor: Actor, plan: DeletionPlan) -> OperationView:
        """Start deleting exactly what ``plan`` says; it goes on without the caller.

        Raises MissingGrantError where the role may not delete any more, and OutdatedPlanError where
        the plan was made of another schema than the host has now.
        """
        shape = self._access.read_to_delete(actor, lambda reading: reading.host.shape)
        if shape != plan.shape:
            raise OutdatedPlanError
        return self._operations.start(actor, Deletion(plan, self._on_deleted))

    def delete(
        self, actor: Actor, thread_ids: Sequence[str], *, include_running: bool
    ) -> tuple[DeletionPlan, Receipt]:
        """Plan and carry out at once, for a caller that waits; the plan and the receipt."""
        plan = self.plan(actor, thread_ids, include_running=include_running)
        operation = self._operations.start(actor, Deletion(plan, self._on_deleted), Origin.API)
        return plan, self._operations.receipt(actor, operation.operation_id)
