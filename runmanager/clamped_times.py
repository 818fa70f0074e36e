"""PostgreSQL's times as Python has them: always in UTC, and never a failure.

PostgreSQL's reach from 4713 BC to 294276 and to infinity, Python's from year 1 to 9999. A value
outside is read as the nearest that Python has, instead of failing the whole page. Hosts also keep
days, times by the clock of some zone, and texts: ``utc`` is the one place where those become times.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.types.datetime import DateLoader, TimestampLoader, TimestamptzLoader

if TYPE_CHECKING:
    from datetime import tzinfo

# Python reads more than this: milliseconds since 1970, for one, as a time in the year 1710.
_BEGINS_WITH_DATE = re.compile(r"\d{4}-\d\d-\d\d($|[T ])|\d{8}T", re.ASCII)


def utc(value: date | str | None, zone: tzinfo) -> datetime | None:
    """``value`` in UTC; what names no zone is taken as of ``zone``.

    A day is its first moment, a text what it says in ISO 8601, None where it says none. Where
    clocks were set back a time comes twice, and is taken as the first; one that they leapt over is
    read by the clock as it was before.
    """
    if isinstance(value, str):
        value = _parsed(value)
    if value is None:
        return None
    if not isinstance(value, datetime):
        value = datetime.combine(value, time.min)
    if value.tzinfo is None:
        value = value.replace(tzinfo=zone)
    try:
        return value.astimezone(UTC)
    except OverflowError:
        return value.replace(tzinfo=UTC)


def _parsed(text: str) -> datetime | None:
    text = text.strip().upper()
    if not _BEGINS_WITH_DATE.match(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def register_loaders(connection: psycopg.Connection[Any], _record: object) -> None:
    """Let a connection of the pool read times as the nearest that Python has."""
    for name, loader in (
        ("timestamptz", _ClampedTimestamptz),
        ("timestamp", _ClampedTimestamp),
        ("date", _ClampedDate),
    ):
        connection.adapters.register_loader(name, loader)


class _ClampedTimestamptz(TimestamptzLoader):
    def load(self, data: Any) -> datetime:
        try:
            return super().load(data)
        except (psycopg.DataError, OverflowError):
            return _nearest(data).replace(tzinfo=UTC)


class _ClampedTimestamp(TimestampLoader):
    def load(self, data: Any) -> datetime:
        try:
            return super().load(data)
        except (psycopg.DataError, OverflowError):
            return _nearest(data)


class _ClampedDate(DateLoader):
    def load(self, data: Any) -> Any:
        try:
            return super().load(data)
        except (psycopg.DataError, OverflowError):
            return _nearest(data).date()


def _nearest(data: Any) -> datetime:
    text = bytes(data)
    past = text.startswith(b"-") or text.endswith(b"BC")
    return datetime.min if past else datetime.max  # noqa: DTZ901  the zone is the caller's
