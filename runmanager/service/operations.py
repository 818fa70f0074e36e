"""Operations: what is done to many runs, seen and steered by every admin."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from runmanager.deletion import DELETION
from runmanager.errors import FileMissingError, OperationNotFoundError, OperationStateError
from runmanager.receipts import html_of, json_of, read_receipt
from runmanager.records import EVERY_OPERATION, OperationState, Origin
from runmanager.restoring.kind import PURGE, RESTORE
from runmanager.service.receipts import RECEIPT, read_facts, whole_receipt
from runmanager.service.refusals import noting_refusals
from runmanager.tasks import Ending

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from runmanager.folders import Folder, Source
    from runmanager.paging import Page, PageRequest
    from runmanager.records import (
        Actor,
        DeletionPlan,
        KeptCopies,
        OperationFilter,
        OperationKind,
        OperationView,
        PurgePlan,
        Receipt,
        RestorePlan,
    )
    from runmanager.service.access import Access
    from runmanager.service.deleting import Deleting
    from runmanager.service.keeping import Keeping
    from runmanager.work.engine import Engine

PIECE = 65_536


@dataclass(frozen=True)
class Operations:
    """Every operation of this store's host. Each method asks whether the actor is an admin."""

    _access: Access
    _engine: Engine
    _keeping: Keeping
    _deleting: Deleting

    @property
    def kinds(self) -> tuple[OperationKind, ...]:
        """Every kind of operation that there is here."""
        return self._engine.kinds

    def list(
        self,
        actor: Actor,
        request: PageRequest,
        which: OperationFilter = EVERY_OPERATION,
    ) -> Page[OperationView]:
        """A page of operations, newest first: of everybody and of all kinds, or of some."""
        self._access.require_admin(actor)
        return self._engine.views(
            request, which.states or None, kinds=which.kinds or None, admin=which.admin
        )

    def admins(self, actor: Actor) -> tuple[str, ...]:
        """The names of all who have asked for an operation, which ``list`` can be narrowed to."""
        self._access.require_admin(actor)
        return self._engine.admins()

    def kept(self, actor: Actor) -> KeptCopies:
        """What is kept of all that was deleted: of how many deletions, and how big it is."""
        self._access.require_admin(actor)
        return self._engine.kept()

    def running(self, actor: Actor) -> tuple[OperationView, ...]:
        """What has begun, or waits, and has not finished; newest first."""
        self._access.require_admin(actor)
        return self._engine.running()

    def get(self, actor: Actor, operation_id: str) -> OperationView:
        """One operation, with its receipt once it has finished.

        Raises OperationNotFoundError for none, and ArchiveError where its files do not answer.
        """
        view = self.view(actor, operation_id)
        return replace(view, receipt=self._receipt(view)) if view.is_over else view

    def view(self, actor: Actor, operation_id: str) -> OperationView:
        """One operation without its receipt, for whoever asks often.

        A plan that was not started is no operation yet, and is its maker's.
        """
        self._access.require_admin(actor)
        view = self._engine.view(operation_id)
        if view.state is OperationState.PLANNED and view.actor.user_id != actor.user_id:
            raise OperationNotFoundError
        return view

    def pause(self, actor: Actor, operation_id: str, origin: Origin = Origin.PAGE) -> OperationView:
        """Let it rest after its present batch. Raises OperationStateError where it cannot."""
        with noting_refusals("pause", actor, origin, operation_id):
            self._access.require_admin(actor)
            return self._engine.want(operation_id, Ending.PAUSE)

    def resume(
        self, actor: Actor, operation_id: str, origin: Origin = Origin.PAGE
    ) -> OperationView:
        """Let it go on. Raises OperationStateError where it cannot."""
        with noting_refusals("resume", actor, origin, operation_id):
            self._access.require_admin(actor)
            return self._engine.resume(operation_id)

    def stop(self, actor: Actor, operation_id: str, origin: Origin = Origin.PAGE) -> OperationView:
        """End it for good after its present batch; what it has done by then stays done."""
        with noting_refusals("stop", actor, origin, operation_id):
            self._access.require_admin(actor)
            return self._engine.want(operation_id, Ending.STOP)

    def retry(self, actor: Actor, operation_id: str, origin: Origin = Origin.PAGE) -> OperationView:
        """Delete those runs of a finished deletion that failed, in a new operation.

        Only those that were confirmed then: another run that has the id of one by now, and one that
        had no row and has some now, is left out, and its receipt says so. Of more than 10,000 it
        takes the first of the receipt: the others want a deletion of their own. Raises
        OperationStateError where there are none, or where it is no deletion.
        """
        with noting_refusals("retry", actor, origin, operation_id):
            view, plan = self._plan_retry(actor, operation_id)
        # What the first was told to keep no copy of has none now either.
        archive = None if view.summary.get("is_archived") else False
        return self._deleting.start(actor, plan, reason=view.reason, archive=archive, origin=origin)

    def _plan_retry(self, actor: Actor, operation_id: str) -> tuple[OperationView, DeletionPlan]:
        view = self.get(actor, operation_id)
        if view.kind.name != DELETION.name or view.receipt is None or not view.receipt.failed:
            raise OperationStateError(
                "Only runs that a finished deletion failed at can be tried again, and there are "
                "none."
            )
        failed = [run.thread_id for run in view.receipt.failed]
        facts = read_facts(self._keeping.folder(operation_id))
        include_running = bool(facts["include_running"])
        plan = self._deleting.plan_retry(
            actor, operation_id, failed, include_running=include_running
        )
        return view, plan

    def receipt_json(self, actor: Actor, operation_id: str) -> Iterator[bytes]:
        """The receipt as JSON, in pieces; its fields stand in ``receipts/lines.py``.

        Raises OperationStateError before it has finished.
        """
        folder = self._folder_of_finished(actor, operation_id)
        return _pieces(folder, self._engine.view(operation_id).purged_at)

    def receipt_html(self, actor: Actor, operation_id: str) -> Iterator[str]:
        """The receipt as a document to hand over, in pieces; as ``receipt_json`` otherwise."""
        folder = self._folder_of_finished(actor, operation_id)
        return _document(folder, self._engine.view(operation_id).purged_at)

    def plan_restore(
        self, actor: Actor, operation_id: str, thread_ids: Sequence[str] | None = None
    ) -> RestorePlan:
        """What putting back the runs that a deletion took, or these of them, would do."""
        self._access.require_admin(actor)
        return self._keeping.plan_restore(actor, self._engine.view(operation_id), thread_ids)

    def restore(
        self,
        actor: Actor,
        operation_id: str,
        thread_ids: Sequence[str] | None = None,
        origin: Origin = Origin.PAGE,
    ) -> OperationView:
        """Put them back, in an operation of its own.

        Raises OperationStateError where it was purged, or nothing was kept.
        """
        with noting_refusals(RESTORE.name, actor, origin, operation_id):
            self._access.require_admin(actor)
            view = self._engine.view(operation_id)
            return self._keeping.restore(actor, view, thread_ids, origin)

    def undo(
        self, actor: Actor, operation_id: str, origin: Origin = Origin.PAGE
    ) -> OperationView | RestorePlan:
        """``restore`` all, where all of it comes back as it was; else the plan, to look over first.

        Raises as ``restore`` does.
        """
        with noting_refusals(RESTORE.name, actor, origin, operation_id):
            plan = self.plan_restore(actor, operation_id)
            if plan.obstacle or plan.refused or plan.triggers or plan.changes:
                return plan
            return self._keeping.restore(actor, self._engine.view(operation_id), None, origin)

    def plan_purge(self, actor: Actor, operation_id: str) -> PurgePlan:
        """What removing a deletion's archive would do."""
        self._access.require_admin(actor)
        return self._keeping.plan_purge(actor, self._engine.view(operation_id))

    def purge(self, actor: Actor, operation_id: str, origin: Origin = Origin.PAGE) -> OperationView:
        """Remove it, in an operation of its own; its receipt stays."""
        with noting_refusals(PURGE.name, actor, origin, operation_id):
            self._access.require_admin(actor)
            return self._keeping.purge(actor, self._engine.view(operation_id), origin)

    def _folder_of_finished(self, actor: Actor, operation_id: str) -> Folder:
        self._access.require_admin(actor)
        view = self._engine.view(operation_id)
        if not view.is_over:
            raise OperationStateError("The receipt is written when the operation has finished.")
        return self._keeping.folder(operation_id)

    def _receipt(self, view: OperationView) -> Receipt | None:
        try:
            return whole_receipt(self._keeping.folder(view.operation_id), view)
        except FileMissingError:
            return None


def _pieces(folder: Folder, purged_at: datetime | None) -> Iterator[bytes]:
    with folder.reading(RECEIPT) as source:
        if purged_at is not None:
            yield from json_of(*_read_receipt(source, purged_at))
            return
        while piece := source.read(PIECE):
            yield piece


def _document(folder: Folder, purged_at: datetime | None) -> Iterator[str]:
    with folder.reading(RECEIPT) as source:
        yield from html_of(*_read_receipt(source, purged_at))


def _read_receipt(
    source: Source, purged_at: datetime | None
) -> tuple[dict[str, Any], Iterator[dict[str, Any]]]:
    """The receipt, with what has become since of the copy that was kept."""
    head, runs = read_receipt(source)
    if head.get("archive") and purged_at is not None:
        head["archive"]["purged_at"] = purged_at.isoformat()
    return head, runs
