"""What is kept of deletions: where it is, its way back, and its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runmanager.archive.places import Place
    from runmanager.folders import Folder
    from runmanager.records import Actor, OperationView, Origin, PurgePlan, RestorePlan
    from runmanager.service.access import Access
    from runmanager.settings import Settings
    from runmanager.store import Store
    from runmanager.work.engine import Engine


@dataclass
class Keeping:
    """The archive's operations: restore, purge, and the schedule that ends what is past its days."""

    _access: Access
    _store: Store
    _engine: Engine
    place: Place
    _settings: Settings

    def folder(self, operation_id: str) -> Folder:
        """The files of one operation."""
        return self.place.folder(operation_id)

    def close(self) -> None:
        """End the schedule."""

    def plan_restore(
        self, actor: Actor, view: OperationView, thread_ids: Sequence[str] | None
    ) -> RestorePlan:
        raise NotImplementedError

    def restore(
        self, actor: Actor, view: OperationView, thread_ids: Sequence[str] | None, origin: Origin
    ) -> OperationView:
        raise NotImplementedError

    def plan_purge(self, actor: Actor, view: OperationView) -> PurgePlan:
        raise NotImplementedError

    def purge(self, actor: Actor, view: OperationView, origin: Origin) -> OperationView:
        raise NotImplementedError
