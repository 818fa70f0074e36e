"""A JSON document: as a tree where that shows every value as it is stored, else as text.

A browser's numbers are doubles: in its tree 9007199254740993 would read 9007199254740992.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.parts import text

if TYPE_CHECKING:
    from runmanager.records import JsonText

# The browser's tree is quick up to here; longer documents are shown as text that scrolls.
MAX_TREE = 200_000
_INDENT = 2
# Deeper levels are not indented any further: the text must not grow by a multiple.
_MAX_INDENT = 20
_PIECES = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


class _NotShownAsStoredError(ValueError):
    """A value that a browser would show otherwise than it is stored."""


def draw_json(heading: str, document: JsonText | None, *, expanded: int | bool = 2) -> None:
    """Draw ``document`` under ``heading``; nothing where there is none."""
    if document is None:
        return
    st.markdown(f"##### {heading}")
    if document.is_cut:
        st.caption(f"The first {text.size(len(document.text))} of {text.size(document.length)}.")
    if document.is_cut or document.length > MAX_TREE:
        _draw_text(document.text)
        return
    try:
        value: object = json.loads(
            document.text,
            parse_int=_exact_integer,
            parse_float=_exact_float,
            parse_constant=_refused,
            object_pairs_hook=_object,
        )
    except _NotShownAsStoredError:
        _draw_text(indented(document.text))
    except (ValueError, RecursionError):
        _draw_text(document.text)  # the host's column may be text that is no JSON
    else:
        if isinstance(value, dict | list):
            st.json(value, expanded=expanded)
        else:
            _draw_text(document.text)


def indented(document: str) -> str:
    """A JSON document with a line for each value; every word and number in it stays as it is."""
    parts: list[str] = []
    depth, before = 0, ""
    for piece in _PIECES.findall(document):
        is_end, is_first = piece in "}]", before in ("{", "[")
        depth -= is_end
        # An empty object or list stays on its line.
        if before == "," or is_end != is_first:
            parts.append(_new_line(depth))
        parts.append(": " if piece == ":" else piece)
        depth += piece in "{["
        before = piece
    return "".join(parts)


def _new_line(depth: int) -> str:
    return "\n" + " " * _INDENT * min(depth, _MAX_INDENT)


def _draw_text(shown: str) -> None:
    st.code(shown, language=None, height=320, wrap_lines=True)


def _exact_integer(digits: str) -> int:
    # int() refuses thousands of digits; a double holds none of those exactly either.
    if len(digits) > 30 or not _survives(digits):  # noqa: PLR2004
        raise _NotShownAsStoredError
    return int(digits)


def _exact_float(digits: str) -> float:
    if not _survives(digits):
        raise _NotShownAsStoredError
    return float(digits)


def _survives(digits: str) -> bool:
    """Whether a browser, which shows the shortest digits of a double, shows the same number."""
    try:
        return Decimal(repr(float(digits))) == Decimal(digits)
    except ArithmeticError:  # an exponent past what even Decimal holds
        return False


def _refused(_constant: str) -> Any:
    raise _NotShownAsStoredError


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs) or "__proto__" in found:
        raise _NotShownAsStoredError
    return found
