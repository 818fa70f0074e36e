"""The order of the list, as a menu that says which orders there are, and why one is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import filtering, session
from runmanager.sorting import SORTS, Sort, SortKey

if TYPE_CHECKING:
    from pages.parts.address import View

_WORDS = {
    (SortKey.STARTED, True): "Newest first",
    (SortKey.STARTED, False): "Oldest first",
    (SortKey.TOOK, True): "Longest first",
    (SortKey.TOOK, False): "Shortest first",
    (SortKey.NAME, False): "Name, A to Z",
    (SortKey.NAME, True): "Name, Z to A",
    (SortKey.USER, False): "User, A to Z",
    (SortKey.USER, True): "User, Z to A",
    (SortKey.STATUS, False): "Status, A to Z",
    (SortKey.STATUS, True): "Status, Z to A",
    (SortKey.SIZE, True): "Largest first",
    (SortKey.SIZE, False): "Smallest first",
}
# In the menu's order.
_ORDER = tuple(Sort(*one) for one in _WORDS)


def words(sort: Sort) -> str:
    """Such as "Newest first"."""
    return _WORDS[sort.key, sort.is_descending]


def draw_menu(view: View) -> None:
    """Draw the menu, with the present order as its label."""
    there = session.service().finding.sorts
    st.menu_button(
        words(view.sort),
        [one.text for one in _ORDER if one.key in there],
        key="sort",
        icon=":material/sort:",
        type="tertiary",
        format_func=lambda text: words(_BY_TEXT[text]),
        help="The order of the whole list",
        on_click=_choose,
    )


_BY_TEXT = {one.text: one for one in SORTS}


def _choose() -> None:
    chosen = session.value("sort")
    if isinstance(chosen, str) and chosen in _BY_TEXT:
        filtering.sort_by(_BY_TEXT[chosen])
