"""How big the archive of a deletion likely becomes, and whether there is room for it."""

from __future__ import annotations

from typing import Protocol

from runmanager.records import ArchiveForecast

# Rows as text and compressed, against the same as PostgreSQL stores them: measured on runs of 111
# rows, whose large values it had compressed already.
BYTES_OF_STORED = 1.0


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
