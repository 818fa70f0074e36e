"""One row as PostgreSQL's COPY writes it in a line of text: fields between tabs, escaped."""

from __future__ import annotations

import re

NULL = b"\\N"
_WRITTEN = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_ESCAPED = {b"\\": b"\\\\"} | {plain: b"\\" + letter for letter, plain in _WRITTEN.items()}
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_SPECIAL = re.compile(rb"[\\\b\f\n\r\t\v]")


def fields_of(line: bytes) -> list[bytes]:
    """The fields of a line, with or without its line break, as they are written."""
    return line.removesuffix(b"\n").split(b"\t")


def line_of(fields: list[bytes]) -> bytes:
    """The line of these fields, with its line break."""
    return b"\t".join(fields) + b"\n"


def read_field(field: bytes) -> str | None:
    """The text that a field stands for; None for NULL."""
    if field == NULL:
        return None
    if b"\\" in field:
        field = _ESCAPE.sub(lambda found: _WRITTEN.get(found[1], found[1]), field)
    return field.decode()


def write_field(text: str | None) -> bytes:
    """The field that stands for a text, or for NULL."""
    if text is None:
        return NULL
    return _SPECIAL.sub(lambda found: _ESCAPED[found[0]], text.encode())
