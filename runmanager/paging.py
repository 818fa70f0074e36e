"""Pages of a list: which one is asked for, and the one that is given."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Generic, TypeVar

from runmanager.entries import texts_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

T = TypeVar("T")

DEFAULT_SIZE = 50
MAX_SIZE = 200
# Far past any table's end, far below what an OFFSET can hold.
MAX_NUMBER = 1_000_000_000
MAX_OFFSET = MAX_NUMBER * MAX_SIZE
LAST = "last"


@dataclass(frozen=True)
class PageRequest:
    """Page ``number`` (from 1) of ``size`` rows (1 to 200).

    Where ``from_end`` is set, pages are numbered from the end of a list whose length is not known:
    1 is the last page, with the last ``size`` rows.
    """

    number: int = 1
    size: int = DEFAULT_SIZE
    from_end: bool = False

    @property
    def offset(self) -> int:
        """How many rows come before this page (behind it, where it is numbered from the end)."""
        return min((self.number - 1) * self.size, MAX_OFFSET)

    def within(self, total: int) -> PageRequest:
        """This page by its number from the start, or the last of ``total`` rows if past the end."""
        pages = page_count(total, self.size)
        number = pages + 1 - self.number if self.from_end else self.number
        return PageRequest(min(max(number, 1), pages), self.size)

    def turned(self, pages: int) -> PageRequest:
        """The page that comes so many pages later, or before where ``pages`` is negative."""
        number = self.number - pages if self.from_end else self.number + pages
        return replace(self, number=max(number, 1))

    @classmethod
    def from_query(
        cls, query: Mapping[str, str | Sequence[str]]
    ) -> tuple[PageRequest, tuple[str, ...]]:
        """The nearest valid page to what a URL asks for, and a notice for each value changed."""
        size, size_notice = _nearest(query, "page_size", 1, MAX_SIZE, default=DEFAULT_SIZE)
        from_end = _from_end(_last_of(query, "page"))
        if from_end is not None:
            return cls(from_end, size, from_end=True), tuple(filter(None, (size_notice,)))
        number, number_notice = _nearest(query, "page", 1, MAX_NUMBER, default=1)
        return cls(number, size), tuple(filter(None, (number_notice, size_notice)))

    def to_query(self) -> dict[str, str]:
        """The query parameters that ``from_query`` reads back; defaults are left out."""
        query = {}
        if self.from_end:
            query["page"] = LAST if self.number == 1 else f"{LAST}-{self.number - 1}"
        elif self.number != 1:
            query["page"] = str(self.number)
        if self.size != DEFAULT_SIZE:
            query["page_size"] = str(self.size)
        return query


class Exactness(Enum):
    """What a total says: the number of rows, a likely number, or how many there are at least."""

    EXACT = "exact"
    ABOUT = "about"
    AT_LEAST = "at least"


@dataclass(frozen=True)
class Total:
    """How many rows a list has, as far as that was counted."""

    count: int
    exactness: Exactness = Exactness.EXACT

    @property
    def is_exact(self) -> bool:
        """Whether every row was counted."""
        return self.exactness is Exactness.EXACT


@dataclass(frozen=True)
class RowKey:
    """A place in the list of runs: behind the row with this time, as PostgreSQL prints it, and id.

    Without a ``thread_id`` it is the place behind every row of that time. ``is_included`` makes it
    the place just before the row instead.
    """

    time: str | None
    thread_id: str | None = None
    is_included: bool = False


@dataclass(frozen=True)
class Page(Generic[T]):
    """The rows of one page, with the total of all pages.

    ``number`` is the page that was read, which is the last one where a later one was asked for and
    the caller wanted the nearest.
    """

    items: tuple[T, ...]
    total: int
    number: int
    size: int

    @property
    def pages(self) -> int:
        """How many pages there are; an empty list has one, empty, page."""
        return page_count(self.total, self.size)

    @property
    def first_row(self) -> int:
        """The position, from 1, of the first row shown; 0 when there is none."""
        return (self.number - 1) * self.size + 1 if self.items else 0

    @property
    def last_row(self) -> int:
        """The position of the last row shown; 0 when there is none."""
        return self.first_row + len(self.items) - 1 if self.items else 0


def page_count(total: int, size: int) -> int:
    """How many pages ``total`` rows fill; none at all still have one, empty, page."""
    return max(1, -(-total // size))


def _last_of(query: Mapping[str, str | Sequence[str]], key: str) -> str:
    return next(iter(reversed(texts_of(query, key))), "")


def _from_end(text: str) -> int | None:
    """The number from the end that ``last`` and, such as, ``last-3`` ask for; None for others."""
    word, _dash, digits = text.strip().partition("-")
    if word != LAST or not (digits.isascii() and (digits.isdigit() or text.strip() == LAST)):
        return None
    return min(int(digits.lstrip("0")[:12] or "0") + 1, MAX_NUMBER)


def _nearest(
    query: Mapping[str, str | Sequence[str]], key: str, low: int, high: int, *, default: int
) -> tuple[int, str | None]:
    text = _last_of(query, key).strip()
    if not text:
        return default, None
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    if not (digits.isascii() and digits.isdigit()):
        return default, f"“{key}” in the address is not a number: showing {default}."
    # int() refuses thousands of digits; past twelve they are far out of bounds whatever they are.
    value = int(sign + (digits.lstrip("0")[:12] or "0"))
    nearest = min(max(value, low), high)
    if nearest == value:
        return value, None
    return nearest, f"“{key}” in the address must be {low} to {high}: showing {nearest}."
