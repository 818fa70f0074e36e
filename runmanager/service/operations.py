"""Operations as admins see and steer them. A stub of the signatures, until the service is here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runmanager.audit import Origin

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from runmanager.paging import Page, PageRequest
    from runmanager.records import Actor, OperationState, OperationView, PurgePlan, RestorePlan
    from runmanager.service.access import Access


@dataclass(frozen=True)
class Operations:
    """The operations of all admins."""

    _access: Access
    _engine: Any

    def view(self, actor: Actor, operation_id: str) -> OperationView:
        """One operation without its receipt."""
        return self.get(actor, operation_id)

    def list(
        self,
        actor: Actor,
        request: PageRequest,
        states: Collection[OperationState] | None = None,
    ) -> Page[OperationView]:
        """Newest first."""
        from runmanager.paging import Page

        known = [one.view() for one in reversed(self._engine._known.values())]
        part = known[request.offset : request.offset + request.size]
        return Page(tuple(part), len(known), request.number, request.size)

    def get(self, actor: Actor, operation_id: str) -> OperationView:
        """One operation, with its receipt once it has finished."""
        self._access.require_admin(actor)
        return self._engine.view(actor, operation_id)

    def running(self, actor: Actor) -> tuple[OperationView, ...]:
        """Those that have not finished."""
        self._access.require_admin(actor)
        return self._engine.running(actor)

    def pause(self, actor: Actor, operation_id: str) -> OperationView:
        """Let it pause after its present batch."""
        raise NotImplementedError

    def resume(self, actor: Actor, operation_id: str) -> OperationView:
        """Let it go on."""
        raise NotImplementedError

    def stop(self, actor: Actor, operation_id: str) -> OperationView:
        """End it after its present batch."""
        self._access.require_admin(actor)
        self._engine.stop(actor, operation_id)
        return self._engine.view(actor, operation_id)

    def retry(self, actor: Actor, operation_id: str) -> OperationView:
        """A new deletion of those that failed."""
        raise NotImplementedError

    def plan_restore(
        self, actor: Actor, operation_id: str, thread_ids: Sequence[str] | None = None
    ) -> RestorePlan:
        """What putting these runs back would do."""
        raise NotImplementedError

    def restore(
        self,
        actor: Actor,
        operation_id: str,
        thread_ids: Sequence[str] | None = None,
        *,
        origin: Origin = Origin.PAGE,
    ) -> OperationView:
        """Put these runs back."""
        raise NotImplementedError

    def plan_purge(self, actor: Actor, operation_id: str) -> PurgePlan:
        """What removing its archive would do."""
        raise NotImplementedError

    def purge(
        self, actor: Actor, operation_id: str, *, origin: Origin = Origin.PAGE
    ) -> OperationView:
        """Remove its archive."""
        raise NotImplementedError

    def receipt_json(self, actor: Actor, operation_id: str) -> Iterator[bytes]:
        """Its receipt."""
        raise NotImplementedError

    def receipt_html(self, actor: Actor, operation_id: str) -> Iterator[str]:
        """Its receipt."""
        raise NotImplementedError
