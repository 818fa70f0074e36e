"""What is kept of deletions: where it is, its way back, and its end."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runmanager.deletion import DELETION
from runmanager.errors import OperationStateError, RunManagerError
from runmanager.ledger import lock_copy
from runmanager.logs import report, told
from runmanager.records import PurgePlan
from runmanager.restoring.kind import PURGE, RESTORE
from runmanager.restoring.planning import plan_restore
from runmanager.restoring.schedule import sweep
from runmanager.service.leftovers import Leftovers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runmanager.archive.places import Place
    from runmanager.database import Database
    from runmanager.folders import Folder
    from runmanager.host.values import Reading
    from runmanager.records import Actor, OperationView, Origin, RestorePlan
    from runmanager.service.access import Access
    from runmanager.store import Store
    from runmanager.work.engine import Engine

SWEEP_SECONDS = 600.0
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Keeping:
    """The archive's operations: restore and purge."""

    _access: Access
    _engine: Engine
    place: Place

    def folder(self, operation_id: str) -> Folder:
        """The files of one operation."""
        return self.place.folder(operation_id)

    def plan_restore(
        self, actor: Actor, view: OperationView, thread_ids: Sequence[str] | None
    ) -> RestorePlan:
        """What putting back the runs of a deletion, or these of them, would do."""
        _require_kept(view)
        folder = self.folder(view.operation_id)
        return self._access.read_primary(
            actor,
            lambda reading: plan_restore(reading.connection, reading.host, folder, thread_ids),
        )

    def restore(
        self, actor: Actor, view: OperationView, thread_ids: Sequence[str] | None, origin: Origin
    ) -> OperationView:
        """Put them back, in an operation of its own. Raises OperationStateError where it cannot."""
        plan = self.plan_restore(actor, view, thread_ids)
        if plan.obstacle is not None:
            raise OperationStateError(plan.obstacle)
        asked = None if thread_ids is None else list(dict.fromkeys(thread_ids))
        spec = {
            "thread_ids": asked,
            "sentence": view.sentence,
            "total": int(view.summary.get("deleted", 0)) if asked is None else len(asked),
        }

        def submit(reading: Reading) -> OperationView:
            lock_copy(reading.connection, view.operation_id)
            # Behind the lock: until a moment ago it may have been purged.
            _require_kept(self._engine.view(view.operation_id))
            return self._engine.submit(RESTORE.name, actor, origin, spec, parent=view.operation_id)

        return self._access.read_primary(actor, submit)

    def plan_purge(self, actor: Actor, view: OperationView) -> PurgePlan:
        """What removing an operation's archive would do."""
        self._access.require_admin(actor)
        _require_kept(view)
        # Where it is in a place that is not open, nothing can be purged.
        self.folder(view.operation_id)
        return PurgePlan(
            view.operation_id,
            int(view.summary.get("deleted", 0)),
            view.archive_bytes,
            view.archive_until,
        )

    def purge(self, actor: Actor, view: OperationView, origin: Origin) -> OperationView:
        """Remove it, in an operation of its own. Raises OperationStateError where there is none."""
        plan = self.plan_purge(actor, view)
        spec = {"sentence": view.sentence, "total": plan.runs}
        return self._engine.submit(PURGE.name, actor, origin, spec, parent=view.operation_id)


def _require_kept(view: OperationView) -> None:
    """Raises OperationStateError where nothing that an operation took is kept."""
    if view.kind.name != DELETION.name or not view.is_over:
        raise OperationStateError("Only a deletion that has finished can be put back or purged.")
    if view.purged_at is not None:
        raise OperationStateError(
            f"The rows of this deletion were purged on {view.purged_at:%d %B %Y}: nothing of it "
            "can be put back."
        )
    if view.archive_until is None:
        raise OperationStateError("No copy of what this deletion took was kept.")


class Schedule:
    """Ends, every ten minutes, what is past its days: archives, plans nobody started, leftovers."""

    def __init__(self, database: Database, store: Store, place: Place) -> None:
        self._database = database
        self._store = store
        self._place = place
        self._leftovers = Leftovers(store, place)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="archive's schedule", daemon=True)

    def start(self) -> None:
        """Look for the first time, and from then on."""
        self._thread.start()

    def close(self) -> None:
        """Stop, after what is at work."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                for operation_id in sweep(self._database, self._store, self._place):
                    logger.info("Operation %s: its archive's days are over.", operation_id)
                for operation_id in self._leftovers.sweep():
                    logger.info("Files of %s, which was never started, are removed.", operation_id)
            except RunManagerError as error:
                logger.warning("The archive's schedule waits: %s", told(logger, error))
            except Exception as error:  # noqa: BLE001  the next time is to come all the same
                report(logger, "The archive's schedule met an error of its own", error)
            self._closing.wait(SWEEP_SECONDS)
