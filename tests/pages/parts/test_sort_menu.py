"""The words of the orders."""

from __future__ import annotations

from pages.parts import sort_menu
from runmanager.sorting import NEWEST_FIRST, SORTS


def test_every_order_has_words_of_its_own() -> None:
    assert len({sort_menu.words(sort) for sort in SORTS}) == len(SORTS)
    assert sort_menu.words(NEWEST_FIRST) == "Newest first"
    assert {one.text for one in sort_menu._ORDER} == {one.text for one in SORTS}
