"""Where the buckets of a histogram begin and end: at round times of a zone, whatever its clocks do.

Pure: no SQL. A bucket of hours may be an hour longer or shorter on the day when clocks are set, a
day is a day of that zone, and none overlaps another or leaves a gap.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

MAX_BUCKETS = 200
# Any zone's clock shows a year that Python has for these.
EARLIEST = datetime(1, 1, 3, tzinfo=UTC)
LATEST = datetime(9999, 12, 29, tzinfo=UTC)
_MINUTES = (1, 5, 15, 30, 60, 180, 360, 720)
# Ten thousand years are 3.65 million days.
_DAYS = (
    1,
    2,
    7,
    14,
    30,
    90,
    180,
    365,
    730,
    1825,
    3650,
    18_250,
    36_500,
    182_500,
    365_000,
    3_650_000,
)
_STEPS = (
    *(timedelta(minutes=minutes) for minutes in _MINUTES),
    *(timedelta(days=days) for days in _DAYS),
)
_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)
# Two buckets of the step that comes next after a length always have it in them.
_FAR = 10
# Clocks are set by less than this.
_SHIFT = timedelta(hours=3)


def round_edges(
    first: datetime,
    last: datetime,
    most: int,
    zone: tzinfo,
    *,
    is_cut: tuple[bool, bool] = (False, False),
) -> tuple[datetime, ...]:
    """The edges, in UTC, of at most ``most`` buckets that have ``first`` and ``last`` in them.

    ``is_cut`` says of either end whether the buckets end just there, ``last`` then being the first
    time behind them; else they go on to the next round time.
    """
    first, last = max(first, EARLIEST), min(last, LATEST)
    length = max(last - first, _STEPS[0])
    for step in _STEPS:
        if length / 2 / most <= step <= _FAR * length:
            edges = _edges(first, last, step, zone, is_cut)
            if len(edges) - 1 <= most:
                return edges
    # A round time lies between them, and there is to be one bucket only.
    return first, last if is_cut[1] else last + timedelta(microseconds=1)


def by_the_clock(times: tuple[datetime, ...], zone: tzinfo) -> tuple[datetime, ...]:
    """What a clock of ``zone`` shows at ``times``, in its own order, and where its order breaks.

    Between two neighbours ``utc`` of ``clamped_times.py`` reads the clock's times in order, as such
    that lie between the same two of ``times``.
    """
    shown: set[datetime] = set()
    for time in times:
        before, behind = _offset(time - _DAY, zone), _offset(time + _DAY, zone)
        plain = time.replace(tzinfo=None)
        shown.update((plain + before, plain + behind))
        if before != behind:
            change = _change(time - _DAY, time + _DAY, zone).replace(tzinfo=None)
            shown.update((change + before, change + behind))
    return tuple(sorted(shown))


def leap_around(time: datetime, zone: tzinfo) -> tuple[datetime, datetime] | None:
    """From when to when there are times of two places on the clock, where ``time`` is among those.

    When clocks leap from two to three, what says half past two is as late as half past three.
    """
    before, behind = _offset(time - _DAY, zone), _offset(time + _DAY, zone)
    if behind <= before:
        return None
    change = _change(time - _DAY, time + _DAY, zone)
    end = change + (behind - before)
    return (change, end) if change <= time < end else None


def _edges(
    first: datetime, last: datetime, step: timedelta, zone: tzinfo, is_cut: tuple[bool, bool]
) -> tuple[datetime, ...]:
    before, inside, behind = EARLIEST, [], LATEST
    for edge in _round_times(first, last, step, zone):
        if edge <= first:
            before = max(before, edge)
        elif edge < last or (edge == last and not is_cut[1]):
            inside.append(edge)
        else:
            behind = edge
            break
    start = first if is_cut[0] else before
    end = last if is_cut[1] else behind
    return (start, *inside, end)


def _round_times(
    first: datetime, last: datetime, step: timedelta, zone: tzinfo
) -> Iterator[datetime]:
    """Round times in order, from one that is not behind ``first`` to one behind ``last``."""
    if step >= _DAY:
        yield from _days(first, step.days, zone)
        return
    times: set[datetime] = set()
    back = -(-_margin(first, zone) // step) * step
    clock = _floored(first.astimezone(zone).replace(tzinfo=None), step) - back
    end = last.astimezone(zone).replace(tzinfo=None) + _margin(last, zone) + step
    while clock <= end:
        times.update(_instants(clock, zone))
        clock += step
    yield from sorted(times)


def _days(first: datetime, days: int, zone: tzinfo) -> Iterator[datetime]:
    # The first of January of the year 1 was a Monday: weeks begin on one.
    number, latest = (first.astimezone(zone).toordinal() - 1) // days * days + 1, None
    while number <= LATEST.toordinal():
        midnight = datetime.fromordinal(number)
        if midnight >= EARLIEST.replace(tzinfo=None):
            start = midnight.replace(tzinfo=zone).astimezone(UTC)
            # A day that a zone left out begins when the next one does.
            if latest is None or start > latest:
                latest = start
                yield start
        number += days


def _instants(clock: datetime, zone: tzinfo) -> Iterator[datetime]:
    """When a clock of ``zone`` shows this: once, or twice where it was set back."""
    yield clock.replace(tzinfo=zone).astimezone(UTC)
    again = clock.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if again.astimezone(zone).replace(tzinfo=None) == clock:
        yield again


def _margin(moment: datetime, zone: tzinfo) -> timedelta:
    """How far around ``moment`` a clock may show the same times twice."""
    is_set = _offset(moment - _SHIFT, zone) != _offset(moment + _SHIFT, zone)
    return _SHIFT if is_set else timedelta()


def _change(before: datetime, behind: datetime, zone: tzinfo) -> datetime:
    """When the clock was set between these two."""
    offset = _offset(before, zone)
    while behind - before > _SECOND:
        middle = before + (behind - before) // 2
        if _offset(middle, zone) == offset:
            before = middle
        else:
            behind = middle
    # Clocks are set at whole seconds.
    return behind.replace(microsecond=0)


def _offset(time: datetime, zone: tzinfo) -> timedelta:
    return time.astimezone(zone).utcoffset() or timedelta()


def _floored(clock: datetime, step: timedelta) -> datetime:
    midnight = datetime(clock.year, clock.month, clock.day)  # noqa: DTZ001  the zone's own clock
    return midnight + (clock - midnight) // step * step
