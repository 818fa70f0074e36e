"""Deleting runs: the plan, and the operation that carries it out."""

from __future__ import annotations

import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from runmanager.archive.forecast import forecast
from runmanager.deletion import DELETION, plan_deletion
from runmanager.deletion.forms import read_forms, unrestorable
from runmanager.deletion.matching import plan_matching
from runmanager.deletion.plan import require_reason
from runmanager.deletion.retrying import confirmed_of, plan_retry
from runmanager.deletion.spec import DeletionSpec, write_frozen
from runmanager.errors import (
    ArchiveError,
    InterruptedOperationError,
    InvalidRequestError,
    OutdatedPlanError,
    RunManagerError,
)
from runmanager.records import Origin
from runmanager.restoring.lacks import undo_lacks
from runmanager.service.receipts import whole_receipt
from runmanager.service.refusals import noting_refusals

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from runmanager.archive.places import Place
    from runmanager.filters import RunFilter
    from runmanager.host.values import Reading
    from runmanager.records import Actor, DeletionPlan, OperationView, Receipt
    from runmanager.service.access import Access
    from runmanager.settings import Settings
    from runmanager.work.engine import Engine


@dataclass(frozen=True)
class Deleting:
    """Plans and deletions."""

    _access: Access
    _engine: Engine
    _place: Place
    _settings: Settings

    @property
    def denied(self) -> str | None:
        """Why the database role cannot delete runs, with the GRANT to make; None where it can."""
        return self._access.host.privileges.deleting

    @property
    def reason_above(self) -> int | None:
        """Above how many runs an admin must say why; None where they never must."""
        return self._settings.reason_above

    @property
    def archives(self) -> bool:
        """Whether the rows of deleted runs are kept, unless an admin decides otherwise."""
        return self._settings.archive != "off"

    def plan(
        self, actor: Actor, thread_ids: Sequence[str], *, include_running: bool = False
    ) -> DeletionPlan:
        """What deleting these runs would do.

        Raises InvalidRequestError for none or too many, and MissingGrantError where the role may
        not delete.
        """

        def ask(reading: Reading) -> DeletionPlan:
            plan = plan_deletion(
                reading.connection,
                reading.host,
                thread_ids,
                include_running=include_running,
                active_minutes=self._settings.active_minutes,
            )
            return self._with_way_back(reading, plan)

        return self._access.read_to_delete(actor, ask)

    def plan_retry(
        self, actor: Actor, operation_id: str, failed: Sequence[str], *, include_running: bool
    ) -> DeletionPlan:
        """What deleting those runs would do that an operation failed at: as they were confirmed.

        Others that have their ids by now are left out. Raises as ``plan``, and OperationStateError
        where none is left, and FileMissingError where nobody knows any more what was confirmed.
        """
        self._access.require_admin(actor)
        confirmed = confirmed_of(self._place.folder(operation_id), failed)

        def ask(reading: Reading) -> DeletionPlan:
            plan = plan_retry(
                reading.connection,
                reading.host,
                failed,
                confirmed,
                include_running=include_running,
                active_minutes=self._settings.active_minutes,
            )
            return self._with_way_back(reading, plan)

        return self._access.read_to_delete(actor, ask)

    def plan_matching(
        self,
        actor: Actor,
        run_filter: RunFilter,
        *,
        until: datetime | None = None,
        excepting: Sequence[str] = (),
        every: bool = False,
        include_running: bool = False,
    ) -> DeletionPlan:
        """What deleting every run of a filter would do, but for those of ``excepting``.

        They are frozen now: those started after ``until``, by default this moment, and those that
        come to match later, stay. It is kept for an hour under its ``plan_id``. ``every`` must be
        said for an empty filter. Raises InvalidRequestError otherwise, and as ``plan``.
        """
        operation_id = uuid.uuid4().hex
        folder = self._place.folder(operation_id)

        def ask(reading: Reading) -> DeletionPlan:
            plan = plan_matching(
                reading,
                run_filter,
                until=until,
                excepting=excepting,
                every=every,
                include_running=include_running,
                active_minutes=self._settings.active_minutes,
                into=folder,
            )
            return self._with_way_back(reading, plan)

        with self._files_of(operation_id):
            plan = self._access.read_to_delete(actor, ask)
            return self._keep(actor, plan, operation_id)

    def keep(self, actor: Actor, plan: DeletionPlan) -> DeletionPlan:
        """Keep a plan by ids for an hour; the same with its ``plan_id``."""
        self._access.require_admin(actor)
        operation_id = uuid.uuid4().hex
        with self._files_of(operation_id):
            write_frozen(self._place.folder(operation_id), plan)
            return self._keep(actor, plan, operation_id)

    def start(
        self,
        actor: Actor,
        plan: DeletionPlan,
        *,
        reason: str | None = None,
        archive: bool | None = None,
        origin: Origin = Origin.PAGE,
    ) -> OperationView:
        """Start deleting exactly what ``plan`` says; it goes on without the caller.

        ``archive`` is whether the rows are kept: by default where the settings say so. Raises
        MissingGrantError where the role may not delete any more, OutdatedPlanError where the plan
        was made of another schema than the host has now, InvalidRequestError where a reason is
        missing, and ArchiveError where the rows cannot be kept.
        """
        with noting_refusals(DELETION.name, actor, origin, plan.plan_id):
            if plan.plan_id is not None:
                return self._start_kept(actor, plan.plan_id, reason, origin, is_archived=archive)
            return self._start(actor, plan, reason, origin, is_archived=archive)

    def start_kept(
        self,
        actor: Actor,
        plan_id: str,
        *,
        reason: str | None = None,
        archive: bool | None = None,
        origin: Origin = Origin.API,
    ) -> OperationView:
        """Start a plan that was kept: its maker, once, within an hour.

        Raises OperationNotFoundError for another's, PlanUsedError and PlanExpiredError, and what
        ``start`` raises.
        """
        with noting_refusals(DELETION.name, actor, origin, plan_id):
            return self._start_kept(actor, plan_id, reason, origin, is_archived=archive)

    def delete(
        self, actor: Actor, thread_ids: Sequence[str], *, include_running: bool
    ) -> tuple[DeletionPlan, Receipt, str]:
        """Plan and carry out at once, for a caller that waits: plan, receipt, and operation's id.

        Raises InterruptedOperationError where it has not come to its end, and says which it is.
        """
        with noting_refusals(DELETION.name, actor, Origin.API):
            plan = self.plan(actor, thread_ids, include_running=include_running)
        started = self.start(actor, plan, origin=Origin.API)
        view = self._engine.wait(started.operation_id)
        receipt = self._receipt(view)
        if receipt is None:
            why = f" {view.message}" if view.message else ""
            raise InterruptedOperationError(
                f"The deletion has not come to its end yet.{why} Operation {view.operation_id} "
                "has all that was done so far, and what becomes of the rest."
            )
        return plan, receipt, view.operation_id

    def _start(
        self,
        actor: Actor,
        plan: DeletionPlan,
        reason: str | None,
        origin: Origin,
        *,
        is_archived: bool | None,
    ) -> OperationView:
        if self._shape(actor) != plan.shape:
            raise OutdatedPlanError
        operation_id = uuid.uuid4().hex
        said = self._said(plan.total, plan.stored_bytes, reason, is_archived)
        folder = self._place.folder(operation_id)
        spec = DeletionSpec.of(plan)
        with self._files_of(operation_id):
            write_frozen(folder, plan)
            spec.write(folder)
        # Where the store's answer is lost it may begin all the same, and needs its files; where it
        # does not they are leftovers.
        return self._engine.submit(
            DELETION.name, actor, origin, _facts(spec) | said, operation_id=operation_id
        )

    def _start_kept(
        self,
        actor: Actor,
        plan_id: str,
        reason: str | None,
        origin: Origin,
        *,
        is_archived: bool | None,
    ) -> OperationView:
        shape = self._shape(actor)
        # Before the plan's files are looked for: those of an old one are gone.
        self._engine.require_plan(plan_id, actor)
        spec = DeletionSpec.read(self._place.folder(plan_id))
        if shape != spec.shape:
            raise OutdatedPlanError
        said = self._said(spec.going, spec.stored_bytes, reason, is_archived)
        return self._engine.queue(plan_id, actor, origin=origin, more=said)

    @contextmanager
    def _files_of(self, operation_id: str) -> Iterator[None]:
        """Remove what was written inside the block where it fails: nobody knows of it then."""
        try:
            yield
        except BaseException:
            with suppress(RunManagerError):
                self._place.remove(operation_id)
            raise

    def _shape(self, actor: Actor) -> str:
        """What tells one schema of the host from another. Raises as ``read_to_delete`` does."""
        return self._access.read_to_delete(actor, lambda reading: reading.host.shape)

    def _keep(self, actor: Actor, plan: DeletionPlan, operation_id: str) -> DeletionPlan:
        spec = DeletionSpec.of(plan)
        spec.write(self._place.folder(operation_id))
        self._engine.plan(DELETION.name, actor, Origin.API, _facts(spec), operation_id=operation_id)
        return replace(plan, plan_id=operation_id)

    def _said(
        self, runs: int, stored_bytes: int, reason: str | None, archive: bool | None
    ) -> dict[str, Any]:
        """What the admin decides when they start a plan, for its spec."""
        require_reason(runs, reason, self._settings.reason_above)
        is_archived = self.archives if archive is None else archive
        if is_archived and not self.archives:
            raise InvalidRequestError(
                "Nothing is kept here of what is deleted (RUNMANAGER_ARCHIVE is off): delete "
                "without a copy, or set it first."
            )
        if is_archived:
            # There may be less room by now than when it was planned.
            room = forecast(self._place, stored_bytes, self._settings.archive_days)
            if room.obstacle is not None:
                raise ArchiveError(room.obstacle)
        return {"reason": (reason or "").strip() or None, "is_archived": is_archived}

    def _with_way_back(self, reading: Reading, plan: DeletionPlan) -> DeletionPlan:
        """The plan, with what would be kept, and what Undo would lack."""
        if not self.archives:
            return plan
        return replace(
            plan,
            archive=forecast(self._place, plan.stored_bytes, self._settings.archive_days),
            undo_lacks=(
                *undo_lacks(reading.connection, reading.host),
                *unrestorable(read_forms(reading.connection, reading.host)),
            ),
        )

    def _receipt(self, view: OperationView) -> Receipt | None:
        if not view.is_over:
            return None
        return whole_receipt(self._place.folder(view.operation_id), view)


def _facts(spec: DeletionSpec) -> dict[str, Any]:
    """What the store knows of a deletion, and shows of it."""
    return {"sentence": spec.sentence, "total": spec.total}
