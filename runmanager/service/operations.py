"""A stub of the service of operations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runmanager.audit import Origin

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from runmanager.paging import Page, PageRequest
    from runmanager.records import Actor, OperationState, OperationView, RestorePlan


class Operations:
    """A stub."""

    def list(
        self,
        actor: Actor,
        request: PageRequest,
        *,
        states: Collection[OperationState] = (),
        kinds: Collection[str] = (),
    ) -> Page[OperationView]:
        """A stub."""
        raise NotImplementedError

    def get(self, actor: Actor, operation_id: str) -> OperationView:
        """A stub."""
        raise NotImplementedError

    pause = resume = stop = retry = get

    def plan_restore(
        self, actor: Actor, operation_id: str, thread_ids: Sequence[str] | None = None
    ) -> RestorePlan:
        """A stub."""
        raise NotImplementedError

    def restore(
        self,
        actor: Actor,
        operation_id: str,
        thread_ids: Sequence[str] | None = None,
        origin: Origin = Origin.PAGE,
    ) -> OperationView:
        """A stub."""
        raise NotImplementedError

    def purge(self, actor: Actor, operation_id: str, origin: Origin = Origin.PAGE) -> OperationView:
        """A stub."""
        raise NotImplementedError

    def receipt_json(self, actor: Actor, operation_id: str) -> Iterator[bytes]:
        """A stub."""
        raise NotImplementedError

    def receipt_html(self, actor: Actor, operation_id: str) -> Iterator[str]:
        """A stub."""
        raise NotImplementedError
