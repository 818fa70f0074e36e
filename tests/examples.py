"""How many examples Hypothesis tries: some each time, all of them in `make fuzz`."""

from __future__ import annotations

import os

EVERY_POINT = "EVERY_POINT" in os.environ
_PART = 3


def some_of(most: int) -> int:
    """A third of so many; all of them where every point is tried."""
    return most if EVERY_POINT else max(1, most // _PART)
