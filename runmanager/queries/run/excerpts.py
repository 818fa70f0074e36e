"""Texts of the host's as they are read: whole up to a limit, else their beginning and their end.

PostgreSQL cuts them, so that a text of 100 MB is not sent. The end is kept as well as the
beginning, because the last line of a traceback is the one that says what happened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.errors import InvalidRequestError
from runmanager.records import Excerpt

if TYPE_CHECKING:
    from collections.abc import Iterable

# A text on request: read by one session, shown in one box or sent in one answer.
MAX_WHOLE_BYTES = 50_000_000


def as_text(column: sa.ColumnElement[Any]) -> sa.ColumnElement[str]:
    """A column's value as text; of bytes, which are none, only how many there are."""
    if holds_bytes(column):
        return sa.cast(sa.func.octet_length(column), sa.Text) + " bytes"
    return sa.cast(column, sa.Text)


def holds_bytes(column: sa.ColumnElement[Any]) -> bool:
    """Whether a column of the host's holds bytes."""
    return isinstance(column, sa.Column) and column.info["type"] == "bytea"


def excerpt_columns(
    text: sa.ColumnElement[str], name: str, limit: int | None
) -> tuple[sa.Label[Any], ...]:
    """Three columns for ``read_excerpt``: a text's head, its tail, and its length.

    A text longer than ``limit`` is cut to half of that at each end; None cuts nothing.
    """
    length = sa.func.length(text)
    head: sa.ColumnElement[Any] = text
    tail: sa.ColumnElement[Any] = sa.literal("")
    if limit is not None:
        is_long, half = length > limit, limit // 2
        head = sa.case((is_long, sa.func.left(text, half)), else_=text)
        tail = sa.case((is_long, sa.func.right(text, half)), else_="")
    return (
        head.label(f"{name}_head"),
        tail.label(f"{name}_tail"),
        length.label(f"{name}_length"),
    )


def read_excerpt(row: sa.Row[Any], name: str) -> Excerpt | None:
    """The text that ``excerpt_columns`` selected, or None where it is NULL."""
    head, tail, length = (getattr(row, f"{name}_{part}") for part in ("head", "tail", "length"))
    return None if head is None else Excerpt(head, tail, length)


def bytes_of(texts: Iterable[sa.ColumnElement[str]]) -> sa.ColumnElement[int]:
    """How many bytes these texts of one row have, to be asked before they are read whole."""
    zero: sa.ColumnElement[int] = sa.literal(0)
    return sum((sa.func.coalesce(sa.func.octet_length(one), 0) for one in texts), zero)


def require_readable(size: int, what: str) -> None:
    """Raises InvalidRequestError where a text of so many bytes is too long to be read whole."""
    if size > MAX_WHOLE_BYTES:
        raise InvalidRequestError(
            f"{what} has {size:,} bytes of text, which is too long to be shown whole here "
            f"(the limit is {MAX_WHOLE_BYTES:,}). Read it in the database."
        )
