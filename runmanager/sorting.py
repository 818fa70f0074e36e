"""In which order the runs of a filter are listed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

from runmanager.entries import texts_of

SORT_KEY = "sort"


class SortKey(Enum):
    """What runs are sorted by. ``SIZE`` is that of all their rows, as stored."""

    STARTED = "started"
    TOOK = "took"
    NAME = "name"
    USER = "user"
    STATUS = "status"
    SIZE = "size"

    @property
    def is_descending_first(self) -> bool:
        """Whether somebody who sorts by it most likely wants the greatest first."""
        return self in {SortKey.STARTED, SortKey.TOOK, SortKey.SIZE}


@dataclass(frozen=True)
class Sort:
    """By one key, upwards or downwards; the newest first by default.

    Runs that have no such value (no time, no end, no name) come last either way, but for the oldest
    first, which is the newest first read from its end. Equal ones stand newest first.
    """

    key: SortKey = SortKey.STARTED
    is_descending: bool = True

    @property
    def text(self) -> str:
        """The sort as the query parameter has it, such as ``name`` and ``-started``."""
        return f"-{self.key.value}" if self.is_descending else self.key.value

    @classmethod
    def from_text(cls, text: str) -> Sort | None:
        """The sort that ``text`` names, None for what names none."""
        by_text = {one.text: one for one in SORTS}
        return by_text.get(text)

    @classmethod
    def from_query(cls, query: Mapping[str, str | Sequence[str]]) -> tuple[Sort, tuple[str, ...]]:
        """The sort that an address asks for, and a notice where it asks for none that there is."""
        given = texts_of(query, SORT_KEY)
        if not given or not given[-1].strip():
            return NEWEST_FIRST, ()
        found = cls.from_text(given[-1].strip())
        if found is not None:
            return found, ()
        return NEWEST_FIRST, ("There is no such order as the address asks for: newest first.",)

    def to_query(self) -> dict[str, str]:
        """The query parameter that ``from_query`` reads back; the default is left out."""
        return {} if self == NEWEST_FIRST else {SORT_KEY: self.text}


NEWEST_FIRST = Sort()
SORTS = tuple(Sort(key, is_descending) for key in SortKey for is_descending in (False, True))
