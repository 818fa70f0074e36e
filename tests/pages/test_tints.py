"""The word of a status is read on its tint, in both themes."""

from __future__ import annotations

import tomllib

import pytest

from pages.parts.styles import LOOKS, TEXT_COLORS
from runmanager.filters import KINDS
from tests.contrast import contrast
from tests.processes import ROOT

THEMES = ("light", "dark")
# WCAG's strictest, for a word that is looked for in a hurry.
LEAST = 7


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_status_is_read_on_its_tint(kind: str, theme: str) -> None:
    tint, text = (pair[THEMES.index(theme)] for pair in (LOOKS[kind].tints, TEXT_COLORS))
    assert contrast(tint, text) >= LEAST


def test_the_text_on_the_tints_is_that_of_the_themes() -> None:
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    colors = tuple(config["theme"][theme]["textColor"] for theme in THEMES)
    assert colors == TEXT_COLORS
