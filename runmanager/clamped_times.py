"""PostgreSQL's times as Python has them: always in UTC, and never a failure.

PostgreSQL's reach from 4713 BC to 294276 and to infinity, Python's from year 1 to 9999. A value
outside is read as the nearest that Python has, instead of failing the whole page.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.types.datetime import DateLoader, TimestampLoader, TimestamptzLoader


def utc(value: datetime | None) -> datetime | None:
    """``value`` in UTC; a time without a zone is taken as UTC."""
    if value is None:
        return None
    if value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    try:
        return value.astimezone(UTC)
    except OverflowError:
        return value.replace(tzinfo=UTC)


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
