"""Words and numbers as the pages print them."""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING

from runmanager.paging import Exactness
from runmanager.text import count, shorten

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runmanager.paging import Total

__all__ = ["count", "duration", "listed", "plain", "shorten", "size", "total"]

_MILLION = 1_000_000
_SIGNS = re.compile(f"([{re.escape(string.punctuation)}])")
_REPLACED = re.compile(r"(?<=:)(?=[A-Za-z])|(?<=[<>=~-])(?=[<>=~-])")
_UNITS = ("bytes", "kB", "MB", "GB", "TB")
_STEP = 1000
_MINUTE = 60
_HOUR = 3600
_DAY = 86_400


def total(known: Total) -> str:
    """Such as "12,408", "about 2.6 M" and "10,000+"."""
    if known.exactness is Exactness.ABOUT:
        return f"about {_roughly(known.count)}"
    return f"{known.count:,}" if known.is_exact else f"{known.count:,}+"


def _roughly(number: int) -> str:
    """In millions with a tenth, or to two digits, such as "about 63,000": it is a guess."""
    if number >= _MILLION:
        return f"{number / _MILLION:.1f} M"
    return f"{round(number, -max(0, len(str(number)) - 2)):,}"


def size(number: int) -> str:
    """Bytes in the largest decimal unit that leaves a number over one, such as "1.4 MB"."""
    value = float(number)
    for unit in _UNITS:
        if value < _STEP or unit == _UNITS[-1]:
            return count(number, "byte") if unit == "bytes" else f"{value:.1f} {unit}"
        value /= _STEP
    return ""


def duration(seconds: float) -> str:
    """Such as "0.4 s", "3 min 20 s" or "2 d 4 h"."""
    if seconds < 10:  # noqa: PLR2004  tenths matter below ten seconds
        return f"{seconds:.1f} s"
    whole = round(seconds)
    parts = (
        (whole // _DAY, "d"),
        (whole % _DAY // _HOUR, "h"),
        (whole % _HOUR // _MINUTE, "min"),
        (whole % _MINUTE, "s"),
    )
    return " ".join(f"{number} {unit}" for number, unit in [one for one in parts if one[0]][:2])


def plain(words: str) -> str:
    """``words`` as a label of a widget, which Streamlit takes for Markdown, in which they mean
    themselves.

    Every sign that Markdown could know is escaped. What Streamlit replaces after that, in the text
    itself (":streamlit:" by a picture, "->" by an arrow), is parted by a sign without a width.
    """
    return _SIGNS.sub(r"\\\1", _REPLACED.sub("\N{WORD JOINER}", words))


def listed(words: Iterable[str]) -> str:
    """Such as "a", "a and b", or "a, b and c"."""
    *first, last = list(words) or [""]
    return f"{', '.join(first)} and {last}" if first else last
