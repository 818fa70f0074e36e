"""Where the archive is: a folder, an object store, or nowhere but in Run Manager's own store."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from runmanager.archive.known_places import PLACE_NAME, KnownPlaces
from runmanager.archive.local_place import LocalPlace
from runmanager.archive.marker import MARKER, MarkedPlace, Place
from runmanager.archive.object_place import ObjectPlace
from runmanager.archive.store_place import StorePlace
from runmanager.errors import ArchiveError, StartError
from runmanager.store import markers

if TYPE_CHECKING:
    from runmanager.settings import Settings
    from runmanager.store import Store

__all__ = ["KnownPlaces", "LocalPlace", "ObjectPlace", "Place", "StorePlace", "open_place"]

_OFF = "off"
_MARKER = "archive"
# The store knows the id before the place has it: a start that was cut off in between goes on.
_NOT_YET = "not yet "


def open_place(settings: Settings, store: Store, state_folder: Path) -> Place:
    """The place that the settings name; by default a folder beside the store's own data.

    Raises StartError, in one sentence, where it cannot be used or is another store's.
    """
    named = settings.archive
    if named == _OFF:
        return StorePlace(store)
    place: MarkedPlace
    if "://" in named:
        place = ObjectPlace(named)
    else:
        place = LocalPlace(Path(named) if named else state_folder / "archive")
    try:
        _require_own(place, store)
    except ArchiveError as error:
        raise StartError(f"Cannot start: {error.message}") from None
    return place


def _require_own(place: MarkedPlace, store: Store) -> None:
    """Raises StartError where the place is not the one that this store's operations are in."""
    known = markers.claim(store, _MARKER, _NOT_YET + secrets.token_hex(16))
    is_new, marker = known.startswith(_NOT_YET), known.removeprefix(_NOT_YET)
    found = place.read_marker()
    if found is not None and found != marker:
        raise StartError(
            f"Cannot start: {place.name}, which RUNMANAGER_ARCHIVE names, belongs to another Run "
            "Manager's store: name the one that belongs to this one, or an empty one if this store "
            "never had any."
        )
    if found is None and not is_new:
        raise StartError(
            f"Cannot start: {place.name}, which RUNMANAGER_ARCHIVE names, is not the one that this "
            f"Run Manager has used (it has no {MARKER}): mount its disk, or name the right one; if "
            "you have moved it, move that file too."
        )
    if found is None:
        place.write_marker(marker)
    if is_new:
        markers.settle(store, _MARKER, marker)
    if markers.claim(store, PLACE_NAME, place.name) != place.name:
        markers.settle(store, PLACE_NAME, place.name)
