"""The end of what is kept: the rows of a deletion's runs go, its records, ids and receipt stay.

All of it can be broken off anywhere and done again. Nothing is said to be purged before it is: the
rows go first, then the store is told.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from runmanager.archive.rows_format import SUFFIX
from runmanager.errors import ArchiveError
from runmanager.logs import told
from runmanager.records import OperationState
from runmanager.store import operations, plans

if TYPE_CHECKING:
    from runmanager.folders import Folder
    from runmanager.store import Store

RESTORING = "restore"
_UNFINISHED = (
    OperationState.QUEUED,
    OperationState.RUNNING,
    OperationState.PAUSED,
    OperationState.INTERRUPTED,
)
_SOME = 100
# What the first transaction leaves, and the last.
_OF_BEGUN = frozenset({"000001.json", "receipt.json"})
logger = logging.getLogger(__name__)


class Files(Protocol):
    """A place with the files of operations."""

    def folder(self, operation_id: str) -> Folder:
        """The files of one."""

    def remove(self, operation_id: str) -> None:
        """Remove all files of one."""


def purge_rows(folder: Folder) -> None:
    """Remove every file of rows in an operation's folder; that there are none is no error.

    What a process that died while it wrote has left is rows too.
    """
    folder.remove_half_written()
    rows = [name for name in folder.names() if name.endswith(SUFFIX)]
    if rows:
        folder.remove(rows)


def purge(store: Store, place: Files, operation_id: str) -> None:
    """Remove what an operation archived, then note that it is gone."""
    purge_rows(place.folder(operation_id))
    with store.write() as connection:
        operations.mark_purged(connection, operation_id)


def is_being_restored(store: Store, operation_id: str) -> bool:
    """Whether a restore of this operation's runs waits, rests or is at work."""
    with store.read() as connection:
        found = operations.page(
            connection, offset=0, size=_SOME, states=_UNFINISHED, parent=operation_id
        )
    return any(one.kind == RESTORING for one in found)


def due(store: Store) -> tuple[str, ...]:
    """The operations whose archive is past its days, and not being restored from."""
    with store.read() as connection:
        found = operations.due_for_purge(connection, _SOME)
    return tuple(one for one in found if not is_being_restored(store, one))


def forget_plans(store: Store, place: Files) -> None:
    """Remove the files of plans that nobody started in their hour; those that can be removed.

    One that was begun stays whatever the store says, which may have been put back from a backup.
    """
    with store.read() as connection:
        old = plans.old(connection)
    gone = []
    for operation_id in old:
        try:
            if _has_begun(place.folder(operation_id)):
                logger.warning("A plan's files stay: operation %s was begun.", operation_id)
            else:
                place.remove(operation_id)
        except ArchiveError as error:
            logger.warning("A plan's files stay for now: %s", told(logger, error))
            continue
        gone.append(operation_id)
    with store.write() as connection:
        plans.expire(connection, gone)


def _has_begun(folder: Folder) -> bool:
    return any(name.endswith(SUFFIX) or name in _OF_BEGUN for name in folder.names())
