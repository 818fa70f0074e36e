"""Labels of widgets, which the browser takes for Markdown: what it would not show as it is."""

from __future__ import annotations

import re
import string

_ESCAPED = re.compile(rf"\\([{re.escape(string.punctuation)}])")
_SIGN = re.compile(rf"[{re.escape(string.punctuation)}]")
# What Streamlit replaces in the text that Markdown has left, escaped or not.
_REPLACED = re.compile(
    r":streamlit:|:material[_/]\w+:|(?:^|(?<=\s))(?:<->|->|<-|--|>=|<=|~=)(?=\s|$)"
)


def markup_in(label: str) -> str:
    """The first part of a label that means more than itself; "" where it is text, all of it."""
    unescaped = _SIGN.search(_ESCAPED.sub("", label))
    replaced = _REPLACED.search(_ESCAPED.sub(r"\1", label))
    found = unescaped or replaced
    return found[0] if found else ""


def shown(label: str) -> str:
    """The words that the browser shows for a label without markup, as they are read."""
    return _ESCAPED.sub(r"\1", label).replace("\N{WORD JOINER}", "")
