"""The sidebar: one widget for each filter, and rows per page; each change goes to the address."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.parts import choices, filtering, session, times
from pages.parts.address import View, read_view
from pages.parts.choices import Choice, Choices
from runmanager.entries import read_duration, say_duration
from runmanager.filters import ENTRIES, MAX_TEXT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pages.parts.choices import ChoiceList
    from runmanager.records import Actor

SIZES = (10, 25, 50, 100, 200)
WITHIN = tuple(
    timedelta(**{unit: number})
    for number, unit in ((15, "minutes"), (1, "hours"), (24, "hours"), (7, "days"), (30, "days"))
)
ALL = "all"
LENGTHS = tuple(timedelta(minutes=one) for one in (1, 5, 15, 60, 360, 1440))


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


# In the order in which they stand. Kinds and statuses have a part of their own, kind_pills.py.
WIDGETS: Mapping[str, SearchBox | ChoiceBox] = {
    "search": SearchBox("Search", "Name or thread id"),
    "username": ChoiceBox("User", "All users"),
    "workspace": ChoiceBox("Workspace", "All workspaces"),
    "error": SearchBox("Error text", "Part of the error"),
    "model": ChoiceBox("Model", "All models"),
}
# What runs lack where a filter is not offered; most are called by the noun of their entry.
_LACKING = {"longer_than": "known end"}
_BEFORE_KINDS = ("search", "username", "workspace")
_AFTER_KINDS = ("error", "model")


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
            lacking = _LACKING.get(key, word)
            notices.append(f"Runs have no {lacking} here: the address is read without it.")
        elif key in lists and _is_unknown(lists[key], value):
            notices.append(f"No such run has the {word} in the address: showing all {word}s.")
        else:
            continue
        run_filter = run_filter.cleared(key)
        # Another list may have been narrowed by it.
        lists = choices.read_lists(actor, with_list, run_filter)
    return replace(view, run_filter=run_filter, notices=tuple(notices)), Choices(offered, lists)


def draw_form(actor: Actor) -> Any:
    """Draw the form; the place of the statuses, in its middle, which is filled later."""
    with st.sidebar:
        before = st.container(key="before-kinds")
        kinds = st.container(key="kinds")
        after = st.container(key="after-kinds")
    _draw_fields(actor, before, after)
    return kinds


@st.fragment(key=filtering.FORM)
def _draw_fields(actor: Actor, before: Any, after: Any) -> None:
    view, offered = current_view(actor)
    with before:
        for key in _BEFORE_KINDS:
            _draw_field(key, view, offered)
    with after:
        if "since" in offered.offered:
            _draw_times(view)
        for key in _AFTER_KINDS:
            _draw_field(key, view, offered)
        if "longer_than" in offered.offered:
            _draw_length(view)
        _draw_size(view)


# Each widget is given its value twice: seeded, for what changed in the address, and as the default,
# for a browser that missed the seed because its first run was interrupted by a second.


def _draw_field(key: str, view: View, offered: Choices) -> None:
    if key not in offered.offered:
        return
    widget, value = WIDGETS[key], getattr(view.run_filter, key)
    if isinstance(widget, SearchBox):
        _draw_search(key, widget, value)
    else:
        _draw_choices(key, widget, offered.lists[key], value)


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
        on_change=_search,
        args=(key,),
    )


def _draw_choices(key: str, widget: ChoiceBox, offered: ChoiceList, value: object) -> None:
    offered = offered.including(value)
    entries, chosen = offered.entries, offered.find(value)
    session.seed(_widget_key(key), chosen)
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
        on_change=_choose,
        args=(key,),
    )


def _draw_times(view: View) -> None:
    """Draw how long ago runs started, and from when to when."""
    since, until = view.run_filter.since, view.run_filter.until
    within: timedelta | str | None = None
    if since is None and until is None:
        within = ALL
    elif until is None and since in WITHIN:
        within = since if isinstance(since, timedelta) else None
    session.seed("since_filter", within)
    st.segmented_control(
        "Started within",
        [*WITHIN, ALL],
        key="since_filter",
        default=within,
        format_func=lambda one: "All" if one == ALL else say_duration(one),
        width="stretch",
        on_change=_choose_within,
    )
    zone = times.viewer_zone()
    with st.popover("From … to …", icon=":material/date_range:", width="stretch", key="from_to"):
        for key, label, moment in (("from_time", "From", since), ("to_time", "To", until)):
            if isinstance(moment, datetime):
                session.seed(key, moment.astimezone(zone).replace(tzinfo=None))
            st.datetime_input(
                times.heading(label, zone),
                None,
                key=key,
                step=timedelta(minutes=1),
                format="YYYY-MM-DD",
            )
        st.button("Show this time", key="show_time", type="primary", on_click=_choose_range)
        if session.slot(_Range).is_backward:
            st.text("“To” must come after “From”.")


@dataclass
class _Range:
    """Whether the range that was typed ends before it begins."""

    is_backward: bool = False


@dataclass
class _Length:
    """Whether what was typed last is no length of time."""

    is_unreadable: bool = False


def _draw_length(view: View) -> None:
    length = view.run_filter.longer_than
    chosen = None if length is None else say_duration(length)
    options = [say_duration(one) for one in LENGTHS]
    if chosen is not None and chosen not in options:
        options.append(chosen)
    session.seed("longer_than_filter", chosen)
    st.selectbox(
        "Took longer than",
        options,
        index=None if chosen is None else options.index(chosen),
        key="longer_than_filter",
        placeholder="Any time",
        accept_new_options=True,
        help="Another length can be typed: 90 (seconds), 5m, 2h, 3d. A run that still runs counts "
        "to now.",
        on_change=_choose_length,
    )
    if session.slot(_Length).is_unreadable:
        st.text("That is no length of time. Such as 90, 5m, 2h or 3d is.")


def _draw_size(view: View) -> None:
    sizes = sorted({*SIZES, view.request.size})
    session.seed("rows_per_page", view.request.size)
    st.selectbox(
        "Rows per page",
        sizes,
        sizes.index(view.request.size),
        key="rows_per_page",
        on_change=_show_rows,
    )


def _search(key: str) -> None:
    filtering.change({key: _typed(key)}, is_form_stale=False)


def _choose(key: str) -> None:
    chosen = session.value(_widget_key(key))
    value = chosen.value if isinstance(chosen, Choice) else None
    narrows_others = any(key in entry.narrowed_by for entry in ENTRIES.values())
    filtering.change({key: value}, is_form_stale=narrows_others)


def _choose_within() -> None:
    within = session.value("since_filter")
    since = within if isinstance(within, timedelta) else None
    filtering.change({"since": since, "until": None})


def _choose_range() -> None:
    zone = times.viewer_zone()
    since, until = (
        typed.replace(tzinfo=zone).astimezone(UTC) if isinstance(typed, datetime) else None
        for typed in (session.value("from_time"), session.value("to_time"))
    )
    held = session.slot(_Range)
    held.is_backward = since is not None and until is not None and until <= since
    if not held.is_backward:
        filtering.change({"since": since, "until": until})


def _choose_length() -> None:
    typed = str(session.value("longer_than_filter") or "")
    length = read_duration(typed.replace(" min", "m").replace(" ", ""))
    held = session.slot(_Length)
    held.is_unreadable = length is None and bool(typed)
    if not held.is_unreadable:
        filtering.change({"longer_than": length})


def _show_rows() -> None:
    size = session.value("rows_per_page")
    if isinstance(size, int):
        filtering.show_rows(size)


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
