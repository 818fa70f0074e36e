"""Watching operations, whatever their kind: how far they are, and to stop them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runmanager.records import Actor, OperationView
    from runmanager.service.access import Access
    from runmanager.work.operations import Operations


@dataclass(frozen=True)
class Watching:
    """The operations of whoever asks; nobody sees or stops another's."""

    _access: Access
    _operations: Operations

    def operation(self, actor: Actor, operation_id: str) -> OperationView:
        """One of the actor's operations. Raises OperationNotFoundError for any other."""
        self._access.require_admin(actor)
        return self._operations.view(actor, operation_id)

    def running_operations(self, actor: Actor) -> tuple[OperationView, ...]:
        """The operations that the actor started from a page and that have not finished."""
        self._access.require_admin(actor)
        return self._operations.running(actor)

    def stop_operation(self, actor: Actor, operation_id: str) -> None:
        """End one of the actor's operations after its present batch."""
        self._access.require_admin(actor)
        self._operations.stop(actor, operation_id)
