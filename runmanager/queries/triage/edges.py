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
    number = (first.astimezone(zone).toordinal() - 1) // days * days + 1
    while number <= LATEST.toordinal():
        midnight = datetime.fromordinal(number)
        if midnight >= EARLIEST.replace(tzinfo=None):
            yield midnight.replace(tzinfo=zone).astimezone(UTC)
        number += days


def _instants(clock: datetime, zone: tzinfo) -> Iterator[datetime]:
    """When a clock of ``zone`` shows this: once, or twice where it was set back."""
    yield clock.replace(tzinfo=zone).astimezone(UTC)
    again = clock.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if again.astimezone(zone).replace(tzinfo=None) == clock:
        yield again


def _margin(moment: datetime, zone: tzinfo) -> timedelta:
    """How far around ``moment`` a clock may show the same times twice."""
    before, behind = ((moment + by).astimezone(zone).utcoffset() for by in (-_SHIFT, _SHIFT))
    return timedelta() if before == behind else _SHIFT


def _floored(clock: datetime, step: timedelta) -> datetime:
    midnight = datetime(clock.year, clock.month, clock.day)  # noqa: DTZ001  the zone's own clock
    return midnight + (clock - midnight) // step * step
