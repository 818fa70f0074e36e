"""The sidebar's statuses, with how many runs each would show; drawn after the list."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import filtering, later, run_list, session, styles, text
from runmanager.errors import RunManagerError
from runmanager.filters import KINDS
from runmanager.paging import Exactness, Total
from runmanager.records import Accuracy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pages.parts.address import View
    from runmanager.records import Actor, StatusCounts

_SMALL = 100
_SAID = {
    Accuracy.SAMPLED: "About: sampled",
    Accuracy.AT_LEAST: "At least: of the newest runs",
}


def draw_kinds(actor: Actor, view: View) -> None:
    """Draw the statuses to choose from, by what they mean and by the host's own words."""
    about = view.run_filter.cleared("kind", "status"), run_list.readings()
    service = session.service().triage
    counts, could_not = None, ""
    try:
        counts = later.answer("kinds", about, partial(service.statuses, actor, about[0]))
    except later.NotYetError:
        later.catch_up()
    except RunManagerError as error:
        could_not = f"Could not count them. {error.message}"
    _draw_pills(view, counts)
    _draw_words(view, counts)
    said = could_not if counts is None else _SAID.get(counts.accuracy, "")
    if said:
        with st.container(key="kinds-noted"):
            st.text(said)


def _draw_pills(view: View, counts: StatusCounts | None) -> None:
    def label(kind: str) -> str:
        words = f"{styles.LOOKS[kind].sign} {kind}"
        return words if counts is None else f"{words} {_number(counts.of(kind), counts)}"

    key = _key("kind", map(label, KINDS))
    session.seed(key, list(view.run_filter.kind))
    with st.container(key="kind_filter"):
        st.pills(
            "Status",
            KINDS,
            selection_mode="multi",
            default=list(view.run_filter.kind),
            key=key,
            format_func=label,
            on_change=_choose,
            args=("kind", key),
        )


def _draw_words(view: View, counts: StatusCounts | None) -> None:
    """The host's own words, where they tell more than what they mean."""
    found = counts.items if counts is not None else ()
    words = {one.status: one.runs for one in found if one.status}
    kinds = {one.kind for one in found}
    chosen = list(view.run_filter.status)
    if len(words) <= len(kinds) and not chosen:
        return

    def label(word: str) -> str:
        number = "" if counts is None else f" · {_number(words.get(word, 0), counts)}"
        return f"{word}{number}"

    options = [*words, *(word for word in chosen if word not in words)]
    key = _key("status", map(label, options))
    session.seed(key, chosen)
    with st.container(key="status_filter"):
        st.multiselect(
            "In the application's own words",
            options,
            chosen,
            key=key,
            format_func=label,
            placeholder="Any word",
            on_change=_choose,
            args=("status", key),
        )


def _key(name: str, labels: Iterable[str]) -> str:
    """The key of a widget with these labels, another one as soon as a number in them changes.

    The browser sends what is chosen by its label: one that has changed would be taken for nothing,
    and the filter would be lost.
    """
    digest = hashlib.sha256("\0".join(labels).encode(errors="surrogatepass")).hexdigest()
    return f"{name}_filter-{digest[:16]}"


def _choose(name: str, key: str) -> None:
    chosen = session.value(key)
    filtering.change({name: tuple(chosen) if isinstance(chosen, list) else ()}, is_form_stale=False)


def _number(runs: int, counts: StatusCounts) -> str:
    exactness = {
        Accuracy.EXACT: Exactness.EXACT,
        Accuracy.SAMPLED: Exactness.ABOUT,
        Accuracy.AT_LEAST: Exactness.AT_LEAST,
    }[counts.accuracy]
    if exactness is Exactness.ABOUT and runs < _SMALL:
        return f"~{runs}"
    return text.total(Total(runs, exactness)).replace("about ", "~")
