"""Status words and their colours."""

from __future__ import annotations

import pytest

from pages.parts import styles
from runmanager.filters import KINDS
from runmanager.records import StatusKind


@pytest.mark.parametrize(
    ("sign", "tint", "kind"),
    [
        ("●", "#d8e6fd", StatusKind.RUNNING),
        ("✓", "#e6f4eb", StatusKind.COMPLETED),
        ("✕", "#fbd0d0", StatusKind.FAILED),
        ("‖", "#fbeecb", StatusKind.PAUSED),
        ("○", "#e7eaef", StatusKind.OTHER),
        ("○", "#e7eaef", StatusKind.UNKNOWN),
    ],
)
def test_each_kind_of_status_has_its_sign_and_its_tint(
    sign: str, tint: str, kind: StatusKind
) -> None:
    assert styles.pill_colors([("their word", kind)]) == {f"{sign} their word": tint}


def test_no_two_kinds_look_alike() -> None:
    assert tuple(styles.LOOKS) == KINDS
    for looks in zip(*((one.sign, *one.tints) for one in styles.LOOKS.values()), strict=True):
        assert len(set(looks)) == len(KINDS)


@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_status_is_read_on_its_tint(kind: str, is_dark: bool) -> None:
    text, tint = styles.TEXT_COLORS[is_dark], styles.LOOKS[kind].tints[is_dark]
    bright, dark = sorted((luminance(text), luminance(tint)), reverse=True)
    assert (bright + 0.05) / (dark + 0.05) >= 7


def luminance(color: str) -> float:
    """How light a colour is, as the contrast of WCAG counts it."""
    shares = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = (one / 12.92 if one <= 0.03928 else ((one + 0.055) / 1.055) ** 2.4 for one in shares)
    return sum(weight * one for weight, one in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize(
    ("status", "word"),
    [(None, "no status"), ("", "no status"), (" \n", "no status"), ("a\n b", "a b")],
)
def test_a_status_is_shown_in_one_line_of_its_own_word(status: str | None, word: str) -> None:
    assert styles.status_word(status, StatusKind.UNKNOWN) == f"○ {word}"


def test_a_status_of_any_length_fits() -> None:
    assert styles.status_word("x" * 5_000, StatusKind.FAILED) == "✕ " + "x" * 39 + "…"


def test_pills_are_named_by_what_the_grid_shows() -> None:
    words = ["a\nb", None, "a b"]
    colors = styles.pill_colors((word, StatusKind.UNKNOWN) for word in words)
    assert list(colors) == ["○ a b", "○ no status"]
