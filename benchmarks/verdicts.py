"""What was measured beside what was to be reached, as a Markdown table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

WRONG = "**WRONG**"


@dataclass(frozen=True)
class Figures:
    """Medians of one thing done in three ways; None where it has no such way."""

    ours: float
    floor: float | None = None
    naive: float | None = None

    @property
    def of_floor(self) -> float | None:
        """How many times the floor ours takes."""
        return None if self.floor is None else self.ours / self.floor

    @property
    def of_naive(self) -> float | None:
        """How many times faster than the plain way ours is."""
        return None if self.naive is None else self.naive / self.ours


@dataclass(frozen=True)
class Target:
    """What is to be reached: each part that is given."""

    times_floor: float | None = None
    times_naive: float | None = None
    at_most: float | None = None
    unit: str = "ms"

    def __str__(self) -> str:
        parts = []
        if self.times_floor is not None:
            parts.append(f"≤ {self.times_floor:g} × floor")  # noqa: RUF001
        if self.times_naive is not None:
            parts.append(f"≥ {self.times_naive:,g} × naive")  # noqa: RUF001
        if self.at_most is not None:
            parts.append(f"≤ {self.at_most:g} {self.unit}")
        return ", ".join(parts) or "none set"

    def is_met_by(self, figures: Figures) -> bool | None:
        """Whether it is reached; None where nothing is to be."""
        parts = []
        if self.times_floor is not None:
            parts.append((figures.of_floor or 0) <= self.times_floor)
        if self.times_naive is not None:
            parts.append((figures.of_naive or 0) >= self.times_naive)
        if self.at_most is not None:
            parts.append(figures.ours <= self.at_most)
        return all(parts) if parts else None


NO_TARGET = Target()


@dataclass(frozen=True)
class Row:
    """One line of the table; ``wrong`` says how ours answered another thing than the plain way."""

    what: str
    figures: Figures
    target: Target = NO_TARGET
    wrong: str = ""
    has_failed: bool = False

    @property
    def verdict(self) -> str:
        """In a word."""
        if self.wrong:
            return WRONG
        is_met = self.target.is_met_by(self.figures)
        if self.has_failed:
            is_met = False
        return "–" if is_met is None else "met" if is_met else "**MISSED**"  # noqa: RUF001

    def markdown(self) -> str:
        """The line."""
        figures = self.figures
        ours = _time(figures.ours)
        if self.target.unit != "ms":
            ours = f"{ours} {self.target.unit}"
        cells = (
            self.what,
            ours,
            _time(figures.floor),
            _times(figures.of_floor),
            _time(figures.naive),
            _times(figures.of_naive),
            str(self.target),
            self.verdict,
        )
        return f"| {' | '.join(cells)} |"


_HEAD = """\
| what | ours (ms) | floor (ms) | ours ÷ floor | naive (ms) | naive ÷ ours | target | verdict |
|---|---:|---:|---:|---:|---:|---|---|"""
_HEAD_OF_PAIRS = """\
| what | tables (ms) | views (ms) | views ÷ tables | target | verdict |
|---|---:|---:|---:|---|---|"""


@dataclass(frozen=True)
class Pair:
    """The same thing done on a host's tables and through views of them, in milliseconds.

    ``ratio`` is how many times as long the views take, ``at_most`` what it may be. ``wrong`` says
    how their answers differ.
    """

    what: str
    on_tables: float
    through_views: float
    ratio: float
    at_most: float | None = None
    wrong: str = ""

    @property
    def verdict(self) -> str:
        """In a word."""
        if self.wrong:
            return WRONG
        if self.at_most is None:
            return "–"  # noqa: RUF001
        return "met" if self.ratio <= self.at_most else "**MISSED**"

    def markdown(self) -> str:
        """The line."""
        target = "none set" if self.at_most is None else f"≤ {self.at_most:g} × tables"  # noqa: RUF001
        times = (_time(self.on_tables), _time(self.through_views), f"{self.ratio:.2f}")
        return f"| {' | '.join((self.what, *times, target, self.verdict))} |"


def table(rows: Iterable[Row]) -> str:
    """All lines under their head."""
    return "\n".join([_HEAD, *(row.markdown() for row in rows)])


def table_of_pairs(pairs: Iterable[Pair]) -> str:
    """All pairs under their head."""
    return "\n".join([_HEAD_OF_PAIRS, *(pair.markdown() for pair in pairs)])


def _time(milliseconds: float | None) -> str:
    if milliseconds is None:
        return ""
    return f"{milliseconds:,.2f}" if milliseconds < 10 else f"{milliseconds:,.0f}"


def _times(ratio: float | None) -> str:
    if ratio is None:
        return ""
    return f"{ratio:,.1f}" if ratio < 100 else f"{ratio:,.0f}"
