"""Many inputs tried on one host: a failure says which of them it was."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def trying(value: object) -> Iterator[None]:
    """Let whatever fails within name what was tried."""
    try:
        yield
    except BaseException as failure:
        failure.add_note(f"Tried: {value!r:.200}")
        raise
