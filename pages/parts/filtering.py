"""What a change of the filter does: it goes to the address, and what depends on it is redrawn."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import streamlit as st
from streamlit.errors import StreamlitAPIException

from pages.parts import run_list
from pages.parts.address import read_view, write_view
from runmanager.filters import RunFilter
from runmanager.paging import PageRequest
from runmanager.sorting import NEWEST_FIRST, Sort

if TYPE_CHECKING:
    from collections.abc import Mapping


# The fragments of the runs page, in the order in which they are drawn.
LIST, HEAD, CONTROLS, FORM = "list", "head", "controls", "form"
HISTOGRAM, KINDS, ERRORS = "histogram", "kinds", "errors"
_OF_A_FILTER = (LIST, HEAD, HISTOGRAM, KINDS, ERRORS)
ALL_OF_IT = (LIST, HEAD, CONTROLS, FORM, HISTOGRAM, KINDS, ERRORS)


def change(values: Mapping[str, Any], *, is_form_stale: bool = True) -> None:
    """Set these entries of the filter; any change returns to page 1.

    ``is_form_stale``: it was not the form itself that changed them, or it offers others now.
    """
    view = read_view()
    run_filter = replace(view.run_filter, **values)
    write_view(replace(view, run_filter=run_filter, request=PageRequest(size=view.request.size)))
    order = [CONTROLS] if view.sort != NEWEST_FIRST else []
    show_anew(*_OF_A_FILTER, *order, *([FORM] if is_form_stale else []))


def clear_all() -> None:
    """Show all runs again, with as many rows as before."""
    empty = RunFilter()
    change({key: getattr(empty, key) for key, _value in read_view().run_filter.chosen()})


def sort_by(sort: Sort) -> None:
    """List the same runs in another order, from its first page."""
    view = read_view()
    write_view(replace(view, sort=sort, request=PageRequest(size=view.request.size)))
    show_anew(LIST, HEAD, CONTROLS)


def show_rows(size: int) -> None:
    """Show so many rows a page."""
    write_view(replace(read_view(), request=PageRequest(size=size)))
    show_anew(LIST, HEAD)


def go_to(request: PageRequest) -> None:
    """Show another page of the same list."""
    write_view(replace(read_view(), request=request))
    show_anew(LIST, HEAD)


def show_anew(*fragments: str) -> None:
    """Read the list and draw these; for a widget's callback to end with."""
    run_list.read_anew()
    redraw(*fragments)


def redraw(*fragments: str) -> None:
    """Draw these; for a widget's callback to end with."""
    try:
        st.rerun(list(fragments))
    except StreamlitAPIException:
        # Where the page broke off before one of them, it is not there yet: the whole page runs.
        st.rerun()
