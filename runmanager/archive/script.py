"""The SQL of a file of rows: its head, and the statements that put cleared references back.

Who reads a file makes them anew from what it says of itself, and passes over exactly these bytes:
so no text of the host, whatever lines it has, is ever taken for what comes next in a file.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from runmanager.archive.rows_format import FIRST_LINE, SETTINGS
from runmanager.archive.values import in_one_line, name_in_one_line, quoted_name, quoted_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runmanager.archive.rows_format import RowsHeader

CIRCLE = b"SET CONSTRAINTS ALL DEFERRED;\n"
END_OF_HEAD = b"\n"


def head_of(header: RowsHeader, *, has_circle: bool) -> bytes:
    """All of a file's head. ``has_circle``: constraints that can wait do so."""
    said = f"-- {json.dumps(header.to_json())}\n".encode()
    circle = CIRCLE if has_circle else b""
    return FIRST_LINE + said + settings_of(header) + circle + END_OF_HEAD


def settings_of(header: RowsHeader) -> bytes:
    """The lines of the head that set what values are read by."""
    quoted = quoted_text if header.format == 1 else in_one_line
    lines = [
        "SET client_encoding = 'UTF8';",
        "SET statement_timeout = 0;",
        *(f"SET {name} = {quoted(value)};" for name, value in SETTINGS.items()),
    ]
    if header.search_path:
        # SET would take a path in quotes for one schema's name.
        path = quoted(header.search_path)
        lines.append(f"SELECT pg_catalog.set_config('search_path', {path}, false);")
    return _bytes("\n".join([*lines, ""]))


def statement_of(
    place: tuple[str, str],
    key: Mapping[str, str],
    values: Mapping[str, str],
    number: int,
) -> bytes:
    """The statement that puts a reference back where it is empty, as format ``number`` has it.

    ``place`` is the schema and the table. It is one line but in format 1, where it has the line
    breaks that are in names and values.
    """
    name_of, quoted = (quoted_name, quoted_text) if number == 1 else (name_in_one_line, in_one_line)
    set_to = {name: (name_of(name), quoted(it)) for name, it in values.items()}
    where = [f"{name_of(name)} = {quoted(it)}" for name, it in key.items()]
    if len(set_to) > 1:
        where += [f"({name} IS NULL OR {name} = {it})" for name, it in set_to.values()]
    empty = " OR ".join(f"{name} IS NULL" for name, _it in set_to.values())
    where.append(f"({empty})" if len(set_to) > 1 else empty)
    return _bytes(
        f"UPDATE {name_of(*place)}"  # noqa: S608  names and values are quoted
        f" SET {', '.join(f'{name} = {it}' for name, it in set_to.values())}"
        f" WHERE {' AND '.join(where)};\n"
    )


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
