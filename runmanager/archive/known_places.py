"""The place that is open, and what an operation has in the other: its files stay where they were.

Where ``RUNMANAGER_ARCHIVE`` is turned on or off, what was done before has its files in the store,
or not there. What is in the store is always found. What is in a folder or an object store that is
not open is never taken for purged, or for an operation without files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runmanager.archive.store_place import StorePlace
from runmanager.errors import ArchiveError, StoreError
from runmanager.records import OperationState
from runmanager.store import files, markers, operations

if TYPE_CHECKING:
    from runmanager.archive.marker import Place
    from runmanager.folders import Folder
    from runmanager.store import Store

# Under which the store keeps what the place outside it is called.
PLACE_NAME = "archive place"


class KnownPlaces:
    """A place that gives an operation the files that it has, wherever those are."""

    def __init__(self, place: Place, store: Store) -> None:
        self._place = place
        self._store = store
        self._in_store = StorePlace(store)

    @property
    def name(self) -> str:
        """What the open place is called where a sentence begins."""
        return self._place.name

    def folder(self, operation_id: str) -> Folder:
        """The files of one operation. Raises ArchiveError where they are in a place not open."""
        return self._place_of(operation_id).folder(operation_id)

    def remove(self, operation_id: str) -> None:
        """Remove all files of an operation, those half written too."""
        self._place_of(operation_id).remove(operation_id)

    def size(self, operation_id: str) -> int:
        """How many bytes the files of an operation have."""
        return self._place_of(operation_id).size(operation_id)

    def operations(self) -> tuple[str, ...]:
        """The ids of the operations that have files here or in the store."""
        return tuple({*self._place.operations(), *self._in_store.operations()})

    def free(self) -> int | None:
        """How many bytes there is room for in the open place; None where nobody knows."""
        return self._place.free()

    def _place_of(self, operation_id: str) -> Place:
        is_off = isinstance(self._place, StorePlace)
        try:
            with self._store.read() as connection:
                if files.has_any(connection, operation_id):
                    return self._in_store
                operation = operations.find(connection, operation_id) if is_off else None
                other = markers.find(connection, PLACE_NAME) if operation is not None else None
        except StoreError as error:
            if is_off:
                raise ArchiveError(error.message) from None
            # The place has what it has, whether the store answers or not.
            return self._place
        if operation is None or other is None:
            return self._place
        # Who has no parent has files before the store knows of it; else the receipt is the first.
        if operation.parent is None or operation.state is OperationState.FINISHED:
            raise ArchiveError(
                f"The files of this operation are not here while RUNMANAGER_ARCHIVE is off: they "
                f"are in {_inside(other)} that was used before. Let RUNMANAGER_ARCHIVE name that "
                "one again, then try again."
            )
        return self._place


def _inside(name: str) -> str:
    return name[0].lower() + name[1:]
