"""How big an archive becomes, and whether there is room: said before anything is deleted."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from runmanager.archive.forecast import forecast
from runmanager.deletion.plan import require_reason
from runmanager.errors import InvalidRequestError


@dataclass(frozen=True)
class Shelf:
    """A place with so much room."""

    room: int | None
    name: str = "the archive's folder"

    def free(self) -> int | None:
        """How much."""
        return self.room


def test_an_archive_with_room_has_no_obstacle() -> None:
    found = forecast(Shelf(10_000_000), 20_000_000, 30)
    assert (found.place, found.likely_bytes, found.free_bytes, found.days, found.obstacle) == (
        "the archive's folder", 10_000_000, 10_000_000, 30, None,
    )  # fmt: skip
    assert forecast(Shelf(None), 10**18, 30).obstacle is None


def test_what_cannot_fit_is_refused_in_a_sentence_with_both_numbers() -> None:
    assert forecast(Shelf(10_000_000), 25_000_000, 30).obstacle == (
        "What would be deleted needs about 12.5 MB in the archive's folder, where 10.0 MB are "
        "free. Make room there, delete fewer runs, or delete without keeping a copy."
    )


def test_a_reason_is_needed_above_the_settings_number_only() -> None:
    require_reason(10**6, None, None)
    require_reason(100, None, 100)
    require_reason(101, "asked for by legal", 100)
    for reason in (None, "", " \n"):
        with pytest.raises(InvalidRequestError, match=r"more than 100 runs .* has 1,001: say why"):
            require_reason(1_001, reason, 100)
