"""Texts as the records have them."""

from __future__ import annotations

from runmanager.records import Excerpt


def whole(text: str) -> Excerpt:
    """A text of which nothing is cut."""
    return Excerpt(text, "", len(text))


def texts(named: tuple[tuple[str, Excerpt], ...]) -> dict[str, str]:
    """Named texts, of which nothing may be cut."""
    assert not any(text.is_cut for _name, text in named)
    return {name: text.text for name, text in named}
