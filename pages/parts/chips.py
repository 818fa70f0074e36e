"""The filter above the grid, one chip for each thing that is asked for: a click takes it away."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.parts import filtering, text, times
from runmanager.filters import ENTRIES, RunFilter
from runmanager.text import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_LABEL = 60


@dataclass(frozen=True)
class Chip:
    """One thing that is asked for: its words, and the values of the filter without it."""

    key: str
    label: str
    values: Mapping[str, Any]


def draw_chips(run_filter: RunFilter, labels: Mapping[str, str]) -> None:
    """Draw the chips. ``labels`` are names for values that are ids, by the entry's key."""
    chips = tuple(chips_of(run_filter, labels))
    for chip in chips:
        st.button(
            text.plain(chip.label),
            key=f"chip-{chip.key}",
            on_click=filtering.change,
            args=(chip.values,),
            # Without a tooltip: it would outlive the chip, in a corner of the page.
            icon=":material/close:",
        )
    if len(chips) > 1:
        st.button(
            "Clear filters", key="clear_filters", on_click=filtering.clear_all, type="tertiary"
        )


def chips_of(run_filter: RunFilter, labels: Mapping[str, str]) -> Iterator[Chip]:
    """The chips of a filter, in the order of the table."""
    for key, value in run_filter.chosen():
        if ENTRIES[key].is_repeatable:
            for word in value:
                rest = tuple(one for one in value if one != word)
                yield Chip(f"{key}-{word}", _of_word(key, word), {key: rest})
        elif key == "since" and _is_range(run_filter):
            yield Chip("range", _of_range(run_filter), {"since": None, "until": None})
        elif key != "until" or not _is_range(run_filter):
            label = words_of(key, value, labels.get(key))
            yield Chip(key, label, {key: getattr(RunFilter(), key)})


def words_of(key: str, value: Any, label: str | None = None) -> str:
    """What one entry asks for, short enough for a chip: its noun and what is meant."""
    if isinstance(value, datetime):
        label = times.short_moment(value, times.viewer_zone())
    return shorten(ENTRIES[key].describe(value, label), MAX_LABEL)


def _of_word(key: str, word: str) -> str:
    return word if key == "kind" else words_of(key, (word,))


def _is_range(run_filter: RunFilter) -> bool:
    return isinstance(run_filter.since, datetime) and isinstance(run_filter.until, datetime)


def _of_range(run_filter: RunFilter) -> str:
    zone, ends = times.viewer_zone(), (run_filter.since, run_filter.until)
    first, last = (times.short_moment(one, zone) for one in ends if isinstance(one, datetime))
    day, _blank, clock = last.rpartition(" ")
    return f"{first} – {clock if first.startswith(f'{day} ') else last}"  # noqa: RUF001
