"""Status words, their colours, and host text in places that render Markdown."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pages.parts import styles


@pytest.mark.parametrize(
    ("status", "colour"),
    [
        ("running", "blue"),
        ("Completed", "green"),
        ("error", "red"),
        ("FAILED", "red"),
        (" paused ", "yellow"),
        ("interrupted", "yellow"),
        ("weird", "gray"),
        ("", "gray"),
        (None, "gray"),
    ],
)
def test_each_status_has_its_colour(status: str | None, colour: str) -> None:
    assert styles.badge_color(status) == colour


@pytest.mark.parametrize(
    ("status", "word"),
    [(None, "no status"), ("", "no status"), (" \n", "no status"), ("a\n b", "a b")],
)
def test_a_status_is_shown_in_one_line_of_its_own_word(status: str | None, word: str) -> None:
    assert styles.status_word(status) == word


def test_a_status_of_any_length_fits() -> None:
    assert len(styles.status_word("x" * 5_000)) == 40


def test_pills_are_named_by_what_the_grid_shows() -> None:
    assert list(styles.pill_colors(["a\nb", None, "a b"])) == ["a b", "no status"]


@given(st.text())
def test_every_mark_of_a_plain_label_means_itself(label: str) -> None:
    escaped = styles.plain_label(label)
    assert _unescaped(escaped) == label
    marks = [
        mark
        for before, mark in zip(" " + escaped, escaped, strict=False)
        if mark in string.punctuation and before != "\\" and mark != "\\"
    ]
    assert marks == []


def _unescaped(text: str) -> str:
    letters = iter(text)
    return "".join(next(letters) if letter == "\\" else letter for letter in letters)
