"""What one filter's value may be: how each kind is read from a query, written, checked and said."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from runmanager.text import shorten

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MAX_TEXT = 10_000
MAX_WORDS = 50
_SHOWN = 60
_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
# Nine digits of the largest unit are far past what a timedelta holds; these are not.
_AGO = re.compile(r"-(\d{1,6})([smhdw])", re.ASCII)
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)([smhdw]?)", re.ASCII)
# A plus that nobody has escaped reaches a server as a blank.
_LOST_PLUS = re.compile(r"(?<=\d) (?=\d\d:?\d\d$)", re.ASCII)


class Without(Enum):
    """Chosen in place of a value: the runs that have none, or name one that is not there."""

    WITHOUT = "without"


WITHOUT = Without.WITHOUT
Value = str | Without | None
# A moment is absolute, or so long before the moment at which it is asked.
Moment = datetime | timedelta


@dataclass(frozen=True)
class Entry:
    """What is known of one filter wherever it is read, written, said or offered: here, of a text.

    ``word`` is the noun in a sentence, and stands for the entry in ``without``. With ``blanks``
    those around a value belong to it. ``has_without`` says that the runs without one can be chosen.
    ``narrowed_by`` names the entries whose choice shortens the list of its values.
    """

    word: str
    description: str
    blanks: bool = True
    has_without: bool = False
    narrowed_by: tuple[str, ...] = ()
    is_repeatable: ClassVar[bool] = False

    def read(self, texts: Sequence[str]) -> Any:
        """The value that a query parameter holds, given once or more often; None for none."""
        text = texts[-1] if texts else ""
        return (text if self.blanks else text.strip())[:MAX_TEXT] or None

    def problem(self, texts: Sequence[str]) -> str | None:
        """What is wrong with a query parameter, as a sentence; None where it can be read."""
        del texts
        return None

    def write(self, value: Any) -> str | list[str]:
        """What ``read`` reads back."""
        return str(value)

    def describe(self, value: Any, label: str | None = None) -> str:
        """The entry in a sentence, such as ``user “kate”`` and ``no known workspace``."""
        if isinstance(value, Without):
            return f"no known {self.word}"
        return f"{self.word} {_quoted(label or value)}"


@dataclass(frozen=True)
class WordsEntry(Entry):
    """Several words, of which a run has one. ``known`` are those that there are; empty: any."""

    known: tuple[str, ...] = ()
    is_repeatable: ClassVar[bool] = True

    def read(self, texts: Sequence[str]) -> tuple[str, ...] | None:
        """The words, each once, in the order in which they are known, or were given."""
        given = dict.fromkeys(text[:MAX_TEXT] for text in texts if text)
        words = [word for word in self.known if word in given] if self.known else list(given)
        return tuple(words[:MAX_WORDS]) or None

    def problem(self, texts: Sequence[str]) -> str | None:
        """A word that is not known, or too many of them."""
        if self.known and not set(filter(None, texts)) <= set(self.known):
            return f"It must be one of these: {', '.join(self.known)}."
        return f"{MAX_WORDS} values at the most." if len(set(texts)) > MAX_WORDS else None

    def write(self, value: Any) -> list[str]:
        """One parameter for each word."""
        return list(value)

    def describe(self, value: Any, label: str | None = None) -> str:
        """Such as ``status “failed” or “error”``."""
        return f"{self.word} {label or ' or '.join(map(_quoted, value))}"


@dataclass(frozen=True)
class MomentEntry(Entry):
    """A moment in ISO 8601 with its zone, or so long ago: ``-24h``.

    ``past`` are the words around a moment, ``ago`` those around a length of time.
    """

    past: str = "{}"
    ago: str = "{}"

    def read(self, texts: Sequence[str]) -> Moment | None:
        """The moment; None for what is none."""
        return read_moment(texts[-1]) if texts else None

    def problem(self, texts: Sequence[str]) -> str | None:
        """What cannot be read, or names no zone."""
        if not texts or not texts[-1].strip() or self.read(texts) is not None:
            return None
        return (
            "It must be a time in ISO 8601 with its zone, such as 2026-11-25T14:00:00Z, or a "
            "length of time before now, such as -24h (s, m, h, d, w)."
        )

    def write(self, value: Any) -> str:
        """``-24h``, or the time in UTC."""
        if isinstance(value, timedelta):
            return f"-{write_duration(value, always_unit=True)}"
        text: str = value.astimezone(UTC).isoformat()
        return text.replace("+00:00", "Z")

    def describe(self, value: Any, label: str | None = None) -> str:
        """Such as ``started in the last 24 h`` and ``started before 25 Nov 2026, 14:00``."""
        if isinstance(value, timedelta):
            return self.ago.format(say_duration(value))
        moment = value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        return self.past.format(label or moment)


@dataclass(frozen=True)
class DurationEntry(Entry):
    """A length of time: seconds, or ``5m``."""

    def read(self, texts: Sequence[str]) -> timedelta | None:
        """The length of time; None for what is none."""
        return read_duration(texts[-1]) if texts else None

    def problem(self, texts: Sequence[str]) -> str | None:
        """What cannot be read."""
        if not texts or not texts[-1].strip() or self.read(texts) is not None:
            return None
        return "It must be a number of seconds, or one with a unit such as 5m (s, m, h, d, w)."

    def write(self, value: Any) -> str:
        """Such as ``5m``, and ``0.5`` for half a second."""
        return write_duration(value)

    def describe(self, value: Any, label: str | None = None) -> str:
        """Such as ``longer than 5 min``."""
        return f"{self.word} {label or say_duration(value)}"


def read_moment(text: str) -> Moment | None:
    """The moment that ``text`` names, None where it names none or lacks its zone."""
    text = text.strip()
    ago = _AGO.fullmatch(text)
    if ago is not None:
        length = int(ago[1]) * _UNITS[ago[2]]
        return length if length <= _LONGEST_AGO else None
    try:
        moment = datetime.fromisoformat(_LOST_PLUS.sub("+", text))
        return None if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def read_duration(text: str) -> timedelta | None:
    """The length of time that ``text`` says, None where it says none."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        return None
    try:
        return float(found[1]) * _UNITS[found[2] or "s"] or None
    except OverflowError:
        return None


def write_duration(length: timedelta, *, always_unit: bool = False) -> str:
    """``length`` in its largest whole unit: ``5m``, ``24h``, ``7d``; in seconds without one."""
    for unit in ("d", "h", "m"):
        number, rest = divmod(length, _UNITS[unit])
        # A day is said in hours: somebody who looks back 24 hours does not mean the day.
        if not rest and (unit, number) != ("d", 1):
            return f"{number}{unit}"
    seconds = f"{length.total_seconds():.6f}".rstrip("0").rstrip(".")
    return f"{seconds}s" if always_unit else seconds


def say_duration(length: timedelta) -> str:
    """``length`` in words, such as ``24 h``, ``5 min`` and ``7 d``."""
    text = write_duration(length, always_unit=True)
    return f"{text[:-1]} {'min' if text[-1] == 'm' else text[-1]}"


def texts_of(query: Mapping[str, str | Sequence[str]], key: str) -> tuple[str, ...]:
    """All that a query holds for ``key``."""
    given = query.get(key, ())
    return (given,) if isinstance(given, str) else tuple(given)


def _quoted(value: object) -> str:
    return f"“{shorten(str(value), _SHOWN)}”"


def resolved(moment: Moment | None, now: datetime) -> datetime | None:
    """The absolute moment that is meant at ``now``."""
    return now - moment if isinstance(moment, timedelta) else moment


def are_in_order(moments: Iterable[datetime | None]) -> bool:
    """Whether each of those that are set comes before the next."""
    known = [moment for moment in moments if moment is not None]
    return all(one < other for one, other in pairwise(known))


# A hundred years: now minus this is a year that Python has.
_LONGEST_AGO = timedelta(days=36_525)
