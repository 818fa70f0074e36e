"""The sidebar: one widget for each filter, and rows per page; each change goes to the address."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import streamlit as st
from streamlit.errors import StreamlitAPIException

from pages.parts import choices, run_list, session
from pages.parts.address import View, read_view, write_view
from pages.parts.choices import Choice, Choices
from runmanager.filters import ENTRIES, MAX_TEXT, RunFilter
from runmanager.paging import PageRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pages.parts.choices import ChoiceList
    from runmanager.records import Actor

SIZES = (10, 25, 50, 100, 200)
# The fragments of the runs page: a change draws anew what depends on it, and nothing else.
FILTERS, LIST = "filters", "list"


@dataclass(frozen=True)
class SearchBox:
    """The widget of a filter that is typed."""

    label: str
    placeholder: str


@dataclass(frozen=True)
class ChoiceBox:
    """The widget of a filter whose value is chosen from a list."""

    label: str
    placeholder: str


WIDGETS: Mapping[str, SearchBox | ChoiceBox] = {
    "search": SearchBox("Search", "Name or thread id"),
    "username": ChoiceBox("User", "All users"),
    "workspace": ChoiceBox("Workspace", "All workspaces"),
    "model": ChoiceBox("Model", "All models"),
}


def current_view(actor: Actor) -> tuple[View, Choices]:
    """What the address asks for, and what there is to choose from.

    The view is without a filter that this host does not offer, and without a value that no run has;
    a notice says so.
    """
    view = read_view()
    run_filter, notices = view.run_filter, list(view.notices)
    with_list = [key for key, widget in WIDGETS.items() if isinstance(widget, ChoiceBox)]
    lists = choices.read_lists(actor, with_list, run_filter)
    # Asked afterwards: to read the lists may have shown that a column is gone.
    offered = session.service().finding.offered
    for key, value in run_filter.chosen():
        word = ENTRIES[key].word
        if key not in offered:
            notices.append(f"Runs have no {word} here: the address is read without it.")
        elif key in lists and _is_unknown(lists[key], value):
            notices.append(f"No such run has the {word} in the address: showing all {word}s.")
        else:
            continue
        run_filter = run_filter.cleared(key)
        # Another list may have been narrowed by it.
        lists = choices.read_lists(actor, with_list, run_filter)
    return replace(view, run_filter=run_filter, notices=tuple(notices)), Choices(offered, lists)


@st.fragment(key=FILTERS)
def draw_filters(actor: Actor) -> None:
    """Draw the form in the sidebar."""
    view, offered = current_view(actor)
    sizes = sorted({*SIZES, view.request.size})
    session.seed("rows_per_page", view.request.size)
    with st.sidebar:
        for key in offered.offered:
            value = getattr(view.run_filter, key)
            widget = WIDGETS[key]
            if isinstance(widget, SearchBox):
                _draw_search(key, widget, value)
            else:
                _draw_choices(key, widget, offered.lists[key], value)
        st.selectbox(
            "Rows per page",
            sizes,
            sizes.index(view.request.size),
            key="rows_per_page",
            on_change=_changed,
        )


def clear_filters() -> None:
    """Show all runs again, with as many rows as before: for a button to call."""
    write_view(View(RunFilter(), PageRequest(size=read_view().request.size)))
    _show_anew((FILTERS, LIST))


# Each widget is given its value twice: seeded, for what changed in the address, and as the default,
# for a browser that missed the seed because its first run was interrupted by a second.


def _draw_search(key: str, widget: SearchBox, text: str) -> None:
    # What is typed keeps its spaces at the end: a word may follow.
    if _typed(key) != text:
        session.seed(_widget_key(key), text)
    st.text_input(
        widget.label,
        text,
        key=_widget_key(key),
        type="search",
        live="400ms",
        placeholder=widget.placeholder,
        on_change=_changed,
    )


def _draw_choices(key: str, widget: ChoiceBox, offered: ChoiceList, value: object) -> None:
    offered = offered.including(value)
    entries, chosen = offered.entries, offered.find(value)
    session.seed(_widget_key(key), chosen)
    narrows_others = any(key in entry.narrowed_by for entry in ENTRIES.values())
    st.selectbox(
        widget.label,
        entries,
        key=_widget_key(key),
        format_func=_label,
        index=None if chosen is None else entries.index(chosen),
        placeholder=widget.placeholder,
        help=None
        if offered.is_complete
        else "Only those of the newest runs are listed. Others work in the address.",
        on_change=_changed,
        kwargs={"redrawn": (FILTERS, LIST) if narrows_others else (LIST,)},
    )


def _changed(redrawn: tuple[str, ...] = (LIST,)) -> None:
    """Write what the form says to the address; any change returns to page 1."""
    values: dict[str, Any] = {}
    for key in session.service().finding.offered:
        if isinstance(WIDGETS[key], SearchBox):
            values[key] = _typed(key)
        else:
            chosen = session.value(_widget_key(key))
            values[key] = chosen.value if isinstance(chosen, Choice) else None
    size = session.value("rows_per_page")
    request = PageRequest(size=size) if isinstance(size, int) else PageRequest()
    write_view(View(RunFilter(**values), request))
    _show_anew(redrawn)


def _show_anew(fragments: tuple[str, ...]) -> None:
    run_list.read_anew()
    # Where the page broke off before its list, there is none to draw: the whole page runs.
    with suppress(StreamlitAPIException):
        st.rerun(fragments)


def _typed(key: str) -> str:
    return str(session.value(_widget_key(key)) or "").strip()[:MAX_TEXT]


def _is_unknown(offered: ChoiceList, value: object) -> bool:
    """Whether no run has this value, as far as the list tells."""
    return value is not None and offered.find(value) is None and offered.is_complete


def _widget_key(key: str) -> str:
    return f"{key}_filter"


def _label(choice: Choice) -> str:
    # Never shortened: the widget tells its entries apart by these words.
    return choice.label
