"""Status words and their colours."""

from __future__ import annotations

import pytest

from pages.parts import styles
from runmanager.records import StatusKind


@pytest.mark.parametrize(
    ("color", "kind"),
    [
        ("#3b82f6", StatusKind.RUNNING),
        ("#22a06b", StatusKind.COMPLETED),
        ("#dc4c4c", StatusKind.FAILED),
        ("#d9a514", StatusKind.PAUSED),
        ("#8a93a3", StatusKind.OTHER),
        ("#8a93a3", StatusKind.UNKNOWN),
    ],
)
def test_each_kind_of_status_has_its_colour(color: str, kind: StatusKind) -> None:
    assert styles.pill_colors([("their word", kind)]) == {"their word": color}


@pytest.mark.parametrize(
    ("status", "word"),
    [(None, "no status"), ("", "no status"), (" \n", "no status"), ("a\n b", "a b")],
)
def test_a_status_is_shown_in_one_line_of_its_own_word(status: str | None, word: str) -> None:
    assert styles.status_word(status) == word


def test_a_status_of_any_length_fits() -> None:
    assert styles.status_word("x" * 5_000) == "x" * 39 + "…"


def test_pills_are_named_by_what_the_grid_shows() -> None:
    words = ["a\nb", None, "a b"]
    colors = styles.pill_colors((word, StatusKind.UNKNOWN) for word in words)
    assert list(colors) == ["a b", "no status"]
