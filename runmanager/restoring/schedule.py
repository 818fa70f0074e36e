"""What ends by itself: archives past their days, and plans that nobody started."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from runmanager.archive import purging
from runmanager.audit import log_scheduled
from runmanager.errors import ArchiveError, InterruptedOperationError, StoreError
from runmanager.logs import told
from runmanager.restoring.purging import alone_with_copy
from runmanager.store import operations

if TYPE_CHECKING:
    from runmanager.archive.purging import Files
    from runmanager.database import Database
    from runmanager.store import Store

logger = logging.getLogger(__name__)


def sweep(database: Database, store: Store, place: Files) -> tuple[str, ...]:
    """Purge what is past its days, and remove plans that nobody started; the ids of the purged.

    What cannot be removed now is left for the next time, and so is what is being restored from.
    """
    purged = []
    for operation_id in purging.due(store):
        try:
            if _purge(database, store, place, operation_id):
                purged.append(operation_id)
        except (ArchiveError, InterruptedOperationError, StoreError) as error:
            logger.warning("Not purged by schedule: %s", told(logger, error))
    purging.forget_plans(store, place)
    return tuple(purged)


def _purge(database: Database, store: Store, place: Files, operation_id: str) -> bool:
    """Purge one, and let the audit log know; False where another instance has done so by now."""
    with alone_with_copy(database, store, operation_id):
        with store.read() as connection:
            found = operations.find(connection, operation_id)
        if found is None or found.purged_at is not None:
            return False
        # An archive that is away is found out before the audit log says that anything begins.
        place.folder(operation_id).names()
        runs = int(found.summary.get("deleted", 0))
        log_scheduled("purge started", operation_id, runs, bytes=found.archive_bytes)
        purging.purge(store, place, operation_id)
        log_scheduled("purge ended", operation_id, runs, purged=runs, failed=0)
    return True
