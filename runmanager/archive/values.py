"""Values and names as PostgreSQL writes them in a script."""

from __future__ import annotations

import re

_LETTERS = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_ESCAPED = {b"\\": b"\\\\"} | {plain: b"\\" + letter for letter, plain in _LETTERS.items()}
_SPECIAL = re.compile(rb"[\\\b\f\n\r\t\v]")
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)


def quoted_name(*names: str) -> str:
    """A name, or one with its schema, in double quotes."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def quoted_text(text: str) -> str:
    """A text in quotes, for ``standard_conforming_strings = on``."""
    return "'" + text.replace("'", "''") + "'"


def in_one_line(text: str) -> str:
    """The same, without a line break in it."""
    if not _has_line_break(text):
        return quoted_text(text)
    escaped = text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    return "E" + quoted_text(escaped)


def name_in_one_line(*names: str) -> str:
    """A name, or one with its schema, in double quotes and without a line break in it."""
    return ".".join(map(_name_in_one_line, names))


def _name_in_one_line(name: str) -> str:
    if not _has_line_break(name):
        return quoted_name(name)
    escaped = name.replace("\\", "\\\\").replace("\n", "\\000A").replace("\r", "\\000D")
    return "U&" + quoted_name(escaped)


def _has_line_break(text: str) -> bool:
    return "\n" in text or "\r" in text


def copied_text(text: str) -> bytes:
    """``text`` as COPY writes it."""
    return _SPECIAL.sub(lambda found: _ESCAPED[found[0]], text.encode("utf-8", "surrogateescape"))


def text_of(copied: bytes) -> str:
    """What COPY wrote as ``copied``, which is not NULL."""
    plain = _ESCAPE.sub(lambda found: _LETTERS.get(found[1], found[1]), copied)
    return plain.decode("utf-8", "surrogateescape")
