"""Pages of a list: which one is asked for, and the one that is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

DEFAULT_SIZE = 50
MAX_SIZE = 200
# Far past any table's end, far below what an OFFSET can hold.
MAX_NUMBER = 1_000_000_000


@dataclass(frozen=True)
class PageRequest:
    """Page ``number`` (from 1) of ``size`` rows (1 to 200)."""

    number: int = 1
    size: int = DEFAULT_SIZE

    @property
    def offset(self) -> int:
        """How many rows come before this page."""
        return (self.number - 1) * self.size

    def within(self, total: int) -> PageRequest:
        """This page, or the last one of ``total`` rows where it lies past the end."""
        return PageRequest(min(self.number, page_count(total, self.size)), self.size)

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> tuple[PageRequest, tuple[str, ...]]:
        """The nearest valid page to what a URL asks for, and a notice for each value changed."""
        number, number_notice = _nearest(query, "page", 1, MAX_NUMBER, default=1)
        size, size_notice = _nearest(query, "page_size", 1, MAX_SIZE, default=DEFAULT_SIZE)
        return cls(number, size), tuple(filter(None, (number_notice, size_notice)))

    def to_query(self) -> dict[str, str]:
        """The query parameters that ``from_query`` reads back; defaults are left out."""
        query = {}
        if self.number != 1:
            query["page"] = str(self.number)
        if self.size != DEFAULT_SIZE:
            query["page_size"] = str(self.size)
        return query


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


def _nearest(
    query: Mapping[str, str], key: str, low: int, high: int, *, default: int
) -> tuple[int, str | None]:
    text = query.get(key, "").strip()
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
