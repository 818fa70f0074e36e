"""Status words and their colours."""

from __future__ import annotations

import pytest

from pages.parts import styles


@pytest.mark.parametrize(
    ("kind", "statuses"),
    [
        ("#3b82f6", ["running", " Running"]),
        ("#22a06b", ["Completed"]),
        ("#dc4c4c", ["error", "FAILED"]),
        ("#d9a514", [" paused ", "interrupted"]),
        ("#8a93a3", ["weird", "", None]),
    ],
)
def test_each_status_has_its_colour(kind: str, statuses: list[str | None]) -> None:
    assert set(styles.pill_colors(statuses).values()) == {kind}


@pytest.mark.parametrize(
    ("status", "word"),
    [(None, "no status"), ("", "no status"), (" \n", "no status"), ("a\n b", "a b")],
)
def test_a_status_is_shown_in_one_line_of_its_own_word(status: str | None, word: str) -> None:
    assert styles.status_word(status) == word


def test_a_status_of_any_length_fits() -> None:
    assert styles.status_word("x" * 5_000) == "x" * 39 + "…"


def test_pills_are_named_by_what_the_grid_shows() -> None:
    assert list(styles.pill_colors(["a\nb", None, "a b"])) == ["a b", "no status"]
