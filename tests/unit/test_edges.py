"""Where the buckets of a histogram begin and end, whatever the clocks of a zone do."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runmanager.clamped_times import utc
from runmanager.queries.triage.edges import EARLIEST, LATEST, by_the_clock, round_edges

BERLIN = ZoneInfo("Europe/Berlin")
APIA = ZoneInfo("Pacific/Apia")
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/St_Johns",
    "Australia/Lord_Howe",  # by half an hour
    "Asia/Beirut",  # at midnight
    "Asia/Kathmandu",
    "Pacific/Apia",  # without a 30 December 2011
)
zones = st.sampled_from(ZONES).map(ZoneInfo)
# Around the days on which clocks are set, as often as not.
CHANGES = (
    "2026-03-29 01:00Z",
    "2026-10-25 01:00Z",
    "2025-11-02 05:30Z",
    "2026-04-04 15:00Z",
    "2011-12-30 10:00Z",
)
times = st.one_of(
    st.builds(
        lambda change, minutes: datetime.fromisoformat(change) + timedelta(minutes=minutes),
        st.sampled_from(CHANGES),
        st.integers(-3000, 3000),
    ),
    st.datetimes(
        EARLIEST.replace(tzinfo=None),
        LATEST.replace(tzinfo=None) - timedelta(days=1),
        timezones=st.just(UTC),
    ),
)
lengths = st.one_of(
    st.just(timedelta()),
    st.integers(1, 10_000_000).map(lambda ms: timedelta(milliseconds=ms)),
    st.integers(1, 100_000).map(lambda minutes: timedelta(minutes=minutes)),
    st.integers(1, 3_000_000).map(lambda days: timedelta(days=days)),
)
cuts = st.tuples(st.booleans(), st.booleans())


def at(text: str, zone: ZoneInfo = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


@settings(max_examples=300)
@given(times, lengths, st.sampled_from([1, 2, 3, 10, 60, 200]), zones, cuts)
@example(EARLIEST, LATEST - EARLIEST, 60, BERLIN, (False, False))
@example(LATEST - timedelta(microseconds=1), timedelta(), 60, BERLIN, (False, False))
@example(datetime(2011, 12, 29, 8, tzinfo=UTC), timedelta(days=35), 60, APIA, (False, False))
def test_they_follow_each_other_around_all_that_is_between_and_are_not_too_many(
    first: datetime, length: timedelta, most: int, zone: ZoneInfo, is_cut: tuple[bool, bool]
) -> None:
    last = first + min(length, LATEST - timedelta(microseconds=1) - first)
    if is_cut[1] and last <= first:
        is_cut = (is_cut[0], False)
    edges = round_edges(first, last, most, zone, is_cut=is_cut)
    assert 1 <= len(edges) - 1 <= most
    assert all(one < other for one, other in pairwise(edges))
    assert edges[0] == first if is_cut[0] else edges[0] <= first
    assert edges[-1] == last if is_cut[1] else edges[-1] > last
    assert all(one.tzinfo is UTC for one in edges)


@pytest.mark.parametrize(
    ("first", "last", "step"),
    [
        ("2026-11-01 10:00", "2026-11-01 10:58", timedelta(minutes=1)),
        ("2026-11-01 10:00", "2026-11-01 14:57", timedelta(minutes=5)),
        ("2026-11-01 10:00", "2026-11-02 00:57", timedelta(minutes=15)),
        ("2026-11-01 10:00", "2026-11-02 10:00", timedelta(minutes=30)),
        ("2026-11-01 10:00", "2026-11-03 10:00", timedelta(hours=1)),
        ("2026-11-01 10:00", "2026-11-07 10:00", timedelta(hours=3)),
        ("2026-11-01 10:00", "2026-11-14 10:00", timedelta(hours=6)),
        ("2026-11-01 10:00", "2026-11-30 10:00", timedelta(hours=12)),
        ("2026-11-01 10:00", "2026-12-30 10:00", timedelta(days=1)),
        ("2026-11-01 10:00", "2027-02-26 10:00", timedelta(days=2)),
        ("2025-11-18 10:00", "2026-11-01 10:00", timedelta(days=7)),
    ],
)
def test_the_steps_are_round(first: str, last: str, step: timedelta) -> None:
    zone = ZoneInfo("UTC")
    edges = round_edges(at(first, zone), at(last, zone), 60, zone)
    assert {later - one for one, later in pairwise(edges)} == {step}
    start = edges[0] - timedelta(days=edges[0].weekday()) if step.days == 7 else edges[0]
    assert (start - start.replace(hour=0, minute=0, second=0)) % min(step, timedelta(days=1)) == (
        timedelta()
    )


def test_one_moment_has_the_bucket_of_its_minute() -> None:
    edges = round_edges(at("2026-11-01 10:07:31"), at("2026-11-01 10:07:31"), 60, BERLIN)
    assert edges == (at("2026-11-01 10:07"), at("2026-11-01 10:08"))


def test_weeks_begin_on_a_monday() -> None:
    edges = round_edges(at("2025-11-18 10:00"), at("2026-11-01 10:00"), 60, BERLIN)
    assert {edge.astimezone(BERLIN).strftime("%A %H:%M") for edge in edges} == {"Monday 00:00"}


@pytest.mark.parametrize("zone", ZONES)
def test_days_are_days_of_the_zone_when_clocks_are_set(zone: str) -> None:
    own = ZoneInfo(zone)
    edges = round_edges(at("2026-03-01 12:00", own), at("2026-11-20 12:00", own), 200, own)
    days = [edge.astimezone(own) for edge in edges]
    assert {later.date() - one.date() for one, later in pairwise(days)} == {timedelta(days=2)}
    # In Beirut the day on which clocks are set forward begins at one.
    assert {day.strftime("%H:%M") for day in days} <= {"00:00", "01:00"}
    assert [day.strftime("%H:%M") for day in days].count("01:00") <= 1


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-07-01", 24)]
)
def test_a_day_has_a_bucket_for_each_of_its_hours(day: str, hours: int) -> None:
    start = at(day)
    end = at(f"{datetime.fromisoformat(day) + timedelta(days=1)}")
    edges = round_edges(start, end, 30, BERLIN, is_cut=(True, True))
    assert [later - one for one, later in pairwise(edges)] == [timedelta(hours=1)] * hours


def test_the_half_hour_that_a_zone_is_off_by_is_that_of_its_clock() -> None:
    zone = ZoneInfo("America/St_Johns")
    edges = round_edges(at("2026-11-03 10:10", zone), at("2026-11-04 20:00", zone), 60, zone)
    assert {edge.astimezone(zone).minute for edge in edges} == {0}
    assert {edge.minute for edge in edges} == {30}


clock_times = st.integers(-200_000, 200_000).map(lambda seconds: timedelta(seconds=seconds))


@settings(max_examples=500)
@given(
    st.lists(times, min_size=2, max_size=8, unique=True),
    st.sampled_from(("Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "UTC")),
    st.data(),
)
def test_a_clocks_times_lie_between_the_edges_that_utc_reads_them_between(
    moments: list[datetime], zone_name: str, data: st.DataObject
) -> None:
    zone, edges = ZoneInfo(zone_name), tuple(sorted(moments))
    parts = by_the_clock(edges, zone)
    assert list(parts) == sorted(set(parts))
    shown = data.draw(st.sampled_from(parts)) + data.draw(clock_times)
    meant = utc(shown, zone)
    part = bisect_right(parts, shown) - 1
    assert meant is not None
    if 0 <= part < len(parts) - 1:
        start = utc(parts[part], zone)
        assert start is not None
        assert bisect_right(edges, start) == bisect_right(edges, meant)
    else:
        assert bisect_right(edges, meant) in {0, len(edges)}
