"""What the list of runs does at its next drawing: read the database, search on, or neither.

A tick or a dialog draws the list again as well, and must not cost a statement.
"""

from __future__ import annotations

from dataclasses import dataclass

from pages.parts import session


@dataclass
class _List:
    needs_reading: bool = True
    is_searching: bool = False
    readings: int = 0


def read_anew() -> None:
    """Let the list be read: it is another one now. A search that goes on belongs to the old one."""
    held = session.slot(_List)
    held.needs_reading, held.is_searching = True, False


def read_again() -> None:
    """Let the same list be read from its beginning once more, and what is told of it."""
    read_anew()
    session.slot(_List).readings += 1


def was_read() -> None:
    """Let the list be drawn as it is now until something asks for it to be read."""
    session.slot(_List).needs_reading = False


def needs_reading() -> bool:
    """Whether the database is to be asked."""
    return session.slot(_List).needs_reading


def readings() -> int:
    """How often the same list was asked for anew: what was told of it before is old by then."""
    return session.slot(_List).readings


def search_on() -> None:
    """Let the search go on, slice by slice, until the page is full or it is stopped."""
    session.slot(_List).is_searching = True


def stop_searching() -> None:
    """Let the search rest where it has come to."""
    session.slot(_List).is_searching = False


def is_searching() -> bool:
    """Whether the search goes on."""
    return session.slot(_List).is_searching
