"""What the filters' lists offer: read once, narrowed by each other, every entry told apart."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pages.parts import session
from pages.parts.messages import shown_errors
from runmanager.filters import ENTRIES, WITHOUT, RunFilter, Without

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runmanager.records import Actor, FilterChoice


@dataclass(frozen=True)
class Choice:
    """One entry of a list: a value of the host's, or the runs without one.

    The widget tells its entries apart by their labels: no two of a list have the same.
    """

    value: str | Without
    label: str


@dataclass(frozen=True)
class ChoiceList:
    """The entries of one filter. ``narrowed`` is the filter that shortened them.

    Where it is not complete, a value may have runs though it is not listed.
    """

    entries: tuple[Choice, ...]
    narrowed: RunFilter
    is_complete: bool

    def find(self, value: object) -> Choice | None:
        """The entry of this value; None where there is none."""
        return next((one for one in self.entries if one.value == value), None)

    def including(self, value: object) -> ChoiceList:
        """The list with an entry for a value that may have runs though it is not listed."""
        if not isinstance(value, str) or self.is_complete or self.find(value) is not None:
            return self
        label = _untaken(value, {one.label for one in self.entries})
        return replace(self, entries=(*self.entries, Choice(value, label)))


@dataclass(frozen=True)
class Choices:
    """The keys of the filters that are offered, and the lists of those that have one, by key."""

    offered: tuple[str, ...] = ()
    lists: Mapping[str, ChoiceList] = field(default_factory=dict)

    def labels(self, run_filter: RunFilter) -> dict[str, str]:
        """What the values of ``run_filter`` are called, by key."""
        found = {
            key: self.lists[key].find(value)
            for key, value in run_filter.chosen()
            if key in self.lists
        }
        return {key: one.label for key, one in found.items() if one is not None}


@dataclass
class _Held:
    """The lists of this session, by key."""

    lists: dict[str, ChoiceList] = field(default_factory=dict)


def forget() -> None:
    """Read every list anew when it is next asked for."""
    session.slot(_Held).lists.clear()


def read_lists(
    actor: Actor, keys: Iterable[str], run_filter: RunFilter
) -> Mapping[str, ChoiceList]:
    """The entries of these filters by key, as the other entries of ``run_filter`` narrow them.

    They are read again only where what narrows them has changed, all of them at once.
    """
    held = session.slot(_Held)
    narrowed = {key: run_filter.only(ENTRIES[key].narrowed_by) for key in keys}
    stale = [
        key
        for key in narrowed
        if key not in held.lists or held.lists[key].narrowed != narrowed[key]
    ]
    if stale:
        with shown_errors():
            found = session.service().finding.choices_of(actor, stale, run_filter)
        for key, choices in found.items():
            entry = ENTRIES[key]
            entries = distinct(choices.items, entry.word, has_without=entry.has_without)
            held.lists[key] = ChoiceList(entries, narrowed[key], choices.is_complete)
    # The database may have lost a column since it was asked what it offers.
    return {key: held.lists[key] for key in narrowed if key in held.lists}


def distinct(
    choices: Iterable[FilterChoice], word: str, *, has_without: bool
) -> tuple[Choice, ...]:
    """The entries of a list, each with a label of its own.

    Values that are called the same are told apart by the value itself, such as a workspace's id.
    """
    choices = tuple(choices)
    names = Counter(one.name or one.value for one in choices)
    taken: set[str] = set()
    found = []
    for one in choices:
        label = one.name or one.value
        if names[label] > 1:
            label = f"{label} · {one.value}" if one.name else f"{label} · without a name"
        found.append(Choice(one.value, _untaken(label, taken)))
    if has_without:
        label = f"(no known {word})"
        label = f"(runs without a {word})" if label in taken else label
        found.append(Choice(WITHOUT, _untaken(label, taken)))
    return tuple(found)


def _untaken(label: str, taken: set[str]) -> str:
    """``label``, numbered where another entry has it."""
    number, found = 1, label
    while found in taken:
        number += 1
        found = f"{label} ({number})"
    taken.add(found)
    return found
