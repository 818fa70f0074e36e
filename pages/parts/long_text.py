"""A text of the host's on a page: whole where it is short, else both its ends, and all on request.

The end is shown as well as the beginning, because the last line of a traceback says what happened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import text
from pages.parts.messages import shown_errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from runmanager.records import Excerpt

# A text with more characters scrolls inside its box.
MAX_UNFOLDED = 2000
BOX_HEIGHT = 300
WHOLE_HEIGHT = 600


@st.fragment
def draw_excerpt(excerpt: Excerpt, load_whole: Callable[[], str], key: str) -> None:
    """Draw ``excerpt``, and where it is cut a button that reads and shows all of it.

    ``load_whole`` is called at that click only. ``key`` is the page's name for this text.
    """
    if not excerpt.is_cut:
        _draw_box(excerpt.head, BOX_HEIGHT)
        return
    with st.container(horizontal=True, vertical_alignment="center", key=key):
        said = st.empty()
        is_asked = st.button("Show all", key=f"{key}-all", icon=":material/unfold_more:")
    length = text.count(excerpt.length, "character")
    if not is_asked:
        said.text(f"The beginning and the end: showing {excerpt.shown:,} of {length}")
        _draw_box(excerpt.head, BOX_HEIGHT)
        st.text(f"… {excerpt.length - excerpt.shown:,} left out …")
        _draw_box(excerpt.tail, BOX_HEIGHT)
        return
    with shown_errors():
        whole = load_whole()
    said.text(f"All {text.count(len(whole), 'character')}")
    _draw_box(whole, WHOLE_HEIGHT)


def _draw_box(content: str, height: int) -> None:
    st.code(
        content,
        language=None,
        wrap_lines=True,
        height=height if len(content) > MAX_UNFOLDED else None,
    )
