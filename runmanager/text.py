"""Short texts as everybody prints them."""

from __future__ import annotations


def shorten(text: str, length: int) -> str:
    """``text`` on one line and at most ``length`` characters, cut with an ellipsis."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def count(number: int, one: str, many: str | None = None) -> str:
    """Such as "1 run" and "12,408 runs"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
