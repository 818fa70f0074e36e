"""How big the archive of a deletion likely becomes, and whether there is room for it."""

from __future__ import annotations

from typing import Protocol

from runmanager.records import ArchiveForecast

# A file of rows against the rows as PostgreSQL stores them, which has compressed the large ones:
# of the demo's it is a ninth, of values that cannot be made smaller all; most hosts are between.
BYTES_OF_STORED = 0.5


class Place(Protocol):
    """Where archives are kept."""

    @property
    def name(self) -> str:
        """What it is called in a sentence."""

    def free(self) -> int | None:
        """How many bytes are free there; None where nobody can say."""


def forecast(place: Place, stored_bytes: int, days: float) -> ArchiveForecast:
    """What an archive of rows that take ``stored_bytes`` in the database would need in ``place``.

    One that likely does not fit is not begun: it would end in the middle of the deletion.
    """
    likely, free = round(stored_bytes * BYTES_OF_STORED), place.free()
    obstacle = None
    if free is not None and likely > free:
        obstacle = (
            f"What would be deleted needs about {_megabytes(likely)} in {place.name}, where "
            f"{_megabytes(free)} are free. Make room there, delete fewer runs, or delete without "
            "keeping a copy."
        )
    return ArchiveForecast(place.name, likely, free, days, obstacle)


def _megabytes(number: int) -> str:
    return f"{number / 1e6:,.1f} MB"
