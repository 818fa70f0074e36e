"""Files of operations that never were: written before the store was told, by whoever died then."""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runmanager.archive.ids import NAME as IDS
from runmanager.deletion.spec import NAME as SPEC
from runmanager.errors import ArchiveError
from runmanager.logs import told
from runmanager.store import operations

if TYPE_CHECKING:
    from runmanager.archive.places import Place
    from runmanager.store import Store

# Whoever is still writing a plan down, or waits for the store to take it, does not take as long.
LEFT_SECONDS = 86_400.0
# All operations are gone through, and a place may take its time for that.
LOOK_SECONDS = 6 * 3600.0
_BEFORE_THE_START = {IDS, SPEC}
_OURS = re.compile(r"[0-9a-f]{32}")
logger = logging.getLogger(__name__)


@dataclass
class Leftovers:
    """What is in the place of the archive, and of which the store knows nothing.

    It goes once this process has seen it so for a day, by a clock that nobody sets: what a place or
    another machine says of times is not asked. A folder in which something has begun stays whatever
    the store knows: a store that was put back from a backup has lost operations, and not what they
    have kept.
    """

    _store: Store
    _place: Place
    _since: dict[str, float] = field(default_factory=dict)
    _looked_at: float | None = None

    def sweep(self, now: float | None = None) -> tuple[str, ...]:
        """Look for them, not too often, and remove those that have been there for long; their ids.

        Raises ArchiveError and StoreError where nobody can look. What cannot be removed now is left
        for the next time.
        """
        now = time.monotonic() if now is None else now
        if self._looked_at is not None and now - self._looked_at < LOOK_SECONDS:
            return ()
        there = [one for one in self._place.operations() if _OURS.fullmatch(one)]
        # After the place: who has a folder by then and no row may get one yet, and none loses it.
        with self._store.read() as connection:
            unknown = operations.unknown(connection, there)
        self._looked_at = now
        self._since = {one: self._since.get(one, now) for one in unknown}
        old = [one for one, since in self._since.items() if now - since >= LEFT_SECONDS]
        return tuple(filter(self._remove, sorted(old)))

    def _remove(self, operation_id: str) -> bool:
        try:
            if not _BEFORE_THE_START.issuperset(self._place.folder(operation_id).names()):
                return False
            self._place.remove(operation_id)
        except ArchiveError as error:
            logger.warning("Files that are nobody's stay for now: %s", told(logger, error))
            return False
        del self._since[operation_id]
        return True
