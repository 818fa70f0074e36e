"""Times as the viewer reads them: in their zone, which is named, and never two that look alike.

Tables show times in a column of their own (``column``), everything else in words (``moment``).
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import tzinfo

# The year is always there: lines of two years may stand in one log.
_TO_THE_SECOND = "D MMM YYYY, HH:mm:ss"
_SHORT = "D MMM HH:mm:ss"
_TO_THE_MILLISECOND = "D MMM YYYY, HH:mm:ss.SSS"
_OFFSET = " Z"
_WIDTH, _MILLISECONDS_WIDTH, _OFFSET_WIDTH = 158, 26, 46
_SHORT_WIDTH = 124
# "Los Angeles" tells as much as "America/Los_Angeles", and fits into a heading.
_LONGEST_ZONE = 17


def viewer_zone() -> ZoneInfo:
    """The viewer's time zone as their browser says, UTC where it does not."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")


def moment(time: datetime | None, zone: tzinfo) -> str:
    """A time in the viewer's zone to the second, with the zone's name; a dash for none."""
    if time is None:
        return "—"
    with contextlib.suppress(OverflowError):  # at the calendar's edge no zone can be applied
        time = time.astimezone(zone)
    return f"{time.day} {time:%b %Y, %H:%M:%S %Z}"


def short_moment(time: datetime, zone: tzinfo) -> str:
    """A time without the year where it is this one, such as "25 Nov 14:38"; seconds if any.

    In an hour that comes twice the zone is named, such as "25 Oct 02:30 CEST".
    """
    with contextlib.suppress(OverflowError):  # at the calendar's edge no zone can be applied
        time = time.astimezone(zone)
    year = "" if time.year == datetime.now(zone).year else f" {time.year}"
    clock = f"{time:%H:%M:%S}" if time.second else f"{time:%H:%M}"
    which = f" {time:%Z}" if _is_repeated(time, zone) else ""
    return f"{time.day} {time:%b}{year} {clock}{which}"


def day(time: datetime, zone: tzinfo) -> str:
    """The day of a time in the viewer's zone, such as "25 Nov 2026"."""
    with contextlib.suppress(OverflowError):  # at the calendar's edge no zone can be applied
        time = time.astimezone(zone)
    return f"{time.day} {time:%b %Y}"


def age(time: datetime | None, now: datetime) -> str:
    """How long ago in the largest unit, such as "57 min" and "3 d"; "" for no time."""
    if time is None:
        return ""
    seconds = int((now - time).total_seconds())
    units = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))
    length, unit = next(one for one in units if abs(seconds) >= one[0] or one[0] == 1)
    return f"{'in ' if seconds < 0 else ''}{abs(seconds) // length:,} {unit}"


def heading(word: str, zone: ZoneInfo) -> str:
    """A column's heading with the zone of its times, such as "Time (Europe/Berlin)"."""
    name = zone.key if len(zone.key) <= _LONGEST_ZONE else _city(zone)
    return f"{word} ({name})"


def _city(zone: ZoneInfo) -> str:
    return zone.key.rpartition("/")[2].replace("_", " ")


def cells(times: Iterable[datetime | None]) -> pd.Series[Any]:
    """The cells of a column of times."""
    # Microseconds reach year 9999; the default nanoseconds end in 2262.
    return pd.Series([_with_zone(time) for time in times], dtype="datetime64[us, UTC]")


def column(word: str, times: Iterable[datetime | None], *, milliseconds: bool = False) -> Any:
    """How a column with these times is drawn.

    Its heading names the zone. Where clocks were set back, an hour comes twice: as soon as one of
    the times lies in such an hour, all of them are shown with their offset from UTC.
    """
    zone = viewer_zone()
    with_offset = any(_is_repeated(time, zone) for time in times)
    return st.column_config.DatetimeColumn(
        heading(word, zone),
        format=(_TO_THE_MILLISECOND if milliseconds else _TO_THE_SECOND) + _OFFSET * with_offset,
        timezone=zone.key,
        width=_WIDTH + _MILLISECONDS_WIDTH * milliseconds + _OFFSET_WIDTH * with_offset,
    )


def short_column(word: str, times: Iterable[datetime | None]) -> Any:
    """The same in little room: without the year, where all of the times are of this one."""
    zone, times = viewer_zone(), tuple(times)
    if any(_is_repeated(time, zone) or _is_of_another_year(time, zone) for time in times):
        return column(word, times)
    return st.column_config.DatetimeColumn(
        f"{word} ({_city(zone)})", format=_SHORT, timezone=zone.key, width=_SHORT_WIDTH
    )


def _with_zone(time: datetime | None) -> datetime | None:
    return time.replace(tzinfo=UTC) if time is not None and time.tzinfo is None else time


def _is_of_another_year(time: datetime | None, zone: ZoneInfo) -> bool:
    if time is None:
        return False
    with contextlib.suppress(OverflowError):  # at the calendar's edge
        time = time.astimezone(zone)
    return time.year != datetime.now(zone).year


def _is_repeated(time: datetime | None, zone: tzinfo) -> bool:
    """Whether the viewer's clock shows this time twice."""
    if time is None:
        return False
    try:
        local = time.astimezone(zone)
    except OverflowError:  # at the calendar's edge
        return False
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
