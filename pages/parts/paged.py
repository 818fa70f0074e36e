"""The one paged list: a page is read, drawn, and followed by the way to the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import streamlit as st

from pages.parts import session
from pages.parts.messages import shown_errors
from runmanager.paging import PageRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from runmanager.paging import Page

T = TypeVar("T")


def draw(
    key: str,
    size: int,
    read: Callable[[PageRequest], Page[T]],
    draw_rows: Callable[[Page[T]], None],
    *,
    heading: str | None = None,
    nothing: str | None = None,
) -> None:
    """Draw the page that the viewer has turned to, ``size`` rows of what ``read`` gives.

    ``key`` is the pager's, which remembers the page. ``heading`` is followed by the total. Where
    there are no rows, ``nothing`` says so; without it, nothing is drawn at all.
    """
    number = session.value(key)
    with shown_errors():
        page = read(PageRequest(number if isinstance(number, int) else 1, size))
    if not page.items and nothing is None:
        return
    if heading is not None:
        st.markdown(f"##### {heading} · {page.total:,}")
    if not page.items:
        st.caption(str(nothing))
        return
    # What a table sorts is the rows that it has: "oldest" would be that of one page.
    with st.container(key=f"{'part' if page.pages > 1 else 'whole'}-{key}"):
        draw_rows(page)
    if page.pages > 1:
        session.seed(key, page.number)
        st.pagination(page.pages, key=key)
