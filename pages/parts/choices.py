"""What the filters' lists offer: read once, narrowed by each other, every entry told apart."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
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


@dataclass(frozen=True)
class Choices:
    """The lists of the filters, by key."""

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


def read_list(actor: Actor, key: str, run_filter: RunFilter) -> ChoiceList:
    """The entries of the filter ``key``, as the other entries of ``run_filter`` narrow them.

    They are read again only where what narrows them has changed.
    """
    held, entry = session.slot(_Held), ENTRIES[key]
    narrowed = run_filter.only(entry.narrowed_by)
    known = held.lists.get(key)
    if known is None or known.narrowed != narrowed:
        with shown_errors():
            found = session.service().finding.choices(actor, key, narrowed)
        entries = distinct(found.items, entry.word, has_without=entry.has_without)
        known = held.lists[key] = ChoiceList(entries, narrowed, found.is_complete)
    return known


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
