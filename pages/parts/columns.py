"""The columns of the list: which there are, which are shown, and in which order.

They stand in the address, and for each admin in the store: a link shows what its sender saw, and
the page opened anew what its admin chose last.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import address, own_choices, session

if TYPE_CHECKING:
    from collections.abc import Callable

    from pages.parts.address import View
    from runmanager.records import Actor

PREFERENCE = "columns"
# By the word in the address: what the menu calls it. The checkbox is always there, and first.
COLUMNS = {
    "status": "Status",
    "id": "ID",
    "name": "Name",
    "tab": "Open in a new tab",
    "age": "Age",
    "started": "Started",
    "took": "Took",
    "error": "Error",
    "user": "User",
    "workspace": "Workspace",
}
DEFAULT = tuple(COLUMNS)
# What the host must keep for a column: as much as for the filter of this key.
_NEEDS = {"took": "longer_than", "error": "error"}


@dataclass
class _Kept:
    """What this admin chose last, as the store has it; None before it was asked."""

    columns: tuple[str, ...] | None = None


def offered() -> tuple[str, ...]:
    """The columns that this host's runs can fill."""
    filters = session.service().finding.offered
    missing = {column for column, key in _NEEDS.items() if key not in filters}
    return tuple(one for one in COLUMNS if one not in missing)


def shown(actor: Actor, view: View) -> tuple[str, ...]:
    """The columns to show, in their order: the address's, else the admin's own, else all."""
    there = offered()
    for chosen in (read_words(",".join(view.columns)), _kept(actor)):
        found = tuple(one for one in chosen if one in there)
        if found:
            return found
    return there


def draw_menu(actor: Actor, view: View, changed: Callable[[], None]) -> None:
    """Draw the menu. ``changed`` is called when other columns were chosen, or in another order."""
    columns = list(shown(actor, view))
    session.seed("columns_shown", columns)
    with st.popover("Columns", icon=":material/view_column:", type="tertiary", key="columns"):
        st.multiselect(
            "Columns, from left to right",
            offered(),
            # Twice, as in the form: a browser that missed the seed would show that none is chosen.
            columns,
            key="columns_shown",
            format_func=COLUMNS.__getitem__,
            on_change=_choose,
            args=(actor, changed),
            width=320,
        )
        st.button(
            "All of them, as at first", key="columns_reset", on_click=_reset, args=(actor, changed)
        )


def _choose(actor: Actor, changed: Callable[[], None]) -> None:
    chosen = session.value("columns_shown")
    words = tuple(chosen) if isinstance(chosen, list) else ()
    _keep(actor, words or DEFAULT)
    changed()


def _reset(actor: Actor, changed: Callable[[], None]) -> None:
    _keep(actor, DEFAULT)
    changed()


def _keep(actor: Actor, words: tuple[str, ...]) -> None:
    address.write_view(replace(address.read_view(), columns=words))
    session.slot(_Kept).columns = words
    own_choices.keep(actor, PREFERENCE, ",".join(words))


def _kept(actor: Actor) -> tuple[str, ...]:
    held = session.slot(_Kept)
    if held.columns is None:
        held.columns = read_words(own_choices.find(actor, PREFERENCE)) or DEFAULT
    return held.columns


def read_words(text: str) -> tuple[str, ...]:
    """The columns that ``text`` names, each once; others are passed over."""
    words = (word.strip() for word in text.split(","))
    return tuple(dict.fromkeys(word for word in words if word in COLUMNS))
