"""Times as the viewer reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from pages.parts import times

FIRST_HALF_PAST_TWO = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
SECOND_HALF_PAST_TWO = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
NOON = datetime(2026, 10, 25, 12, tzinfo=UTC)
SPRING = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


def test_a_moment_is_told_in_the_viewers_zone() -> None:
    noon = datetime(2025, 7, 1, 12, tzinfo=UTC)
    assert times.moment(noon, ZoneInfo("Europe/Bratislava")) == "1 Jul 2025, 14:00:00 CEST"
    assert times.moment(None, UTC) == "—"


def test_moments_of_an_hour_that_comes_twice_differ() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert times.moment(FIRST_HALF_PAST_TWO, berlin) == "25 Oct 2026, 02:30:00 CEST"
    assert times.moment(SECOND_HALF_PAST_TWO, berlin) == "25 Oct 2026, 02:30:00 CET"


@pytest.mark.parametrize("edge", [datetime.min, datetime.max])  # noqa: DTZ901  the zone follows
def test_the_calendars_edges_have_words_and_a_column(edge: datetime, in_berlin: None) -> None:
    edge = edge.replace(tzinfo=UTC)
    assert times.moment(edge, ZoneInfo("Asia/Tokyo"))
    assert times.moment(edge, ZoneInfo("America/Lima"))
    assert times.column("Time", [edge])
    assert list(times.cells([edge]).notna()) == [True]


@pytest.mark.parametrize(
    ("zone", "words"),
    [
        ("UTC", "Time (UTC)"),
        ("Europe/Berlin", "Time (Europe/Berlin)"),
        ("America/Los_Angeles", "Time (Los Angeles)"),
        ("America/Argentina/Buenos_Aires", "Time (Buenos Aires)"),
    ],
)
def test_a_heading_names_the_zone(zone: str, words: str) -> None:
    assert times.heading("Time", ZoneInfo(zone)) == words


@pytest.mark.parametrize(
    ("shown", "format_"),
    [
        ([NOON, None], "D MMM YYYY, HH:mm:ss"),
        ([], "D MMM YYYY, HH:mm:ss"),
        ([SPRING], "D MMM YYYY, HH:mm:ss"),
        ([NOON, FIRST_HALF_PAST_TWO], "D MMM YYYY, HH:mm:ss Z"),
        ([SECOND_HALF_PAST_TWO], "D MMM YYYY, HH:mm:ss Z"),
    ],
)
def test_a_column_has_offsets_where_an_hour_comes_twice(
    in_berlin: None, shown: list[datetime | None], format_: str
) -> None:
    config = times.column("Time", shown)
    assert config["type_config"]["format"] == format_
    assert config["type_config"]["timezone"] == "Europe/Berlin"
    assert config["label"] == "Time (Europe/Berlin)"


def test_a_column_has_the_year_at_milliseconds_too(in_berlin: None) -> None:
    config = times.column("Time", [NOON], milliseconds=True)
    assert config["type_config"]["format"] == "D MMM YYYY, HH:mm:ss.SSS"


NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(0), "0 s"),
        (timedelta(seconds=59.9), "59 s"),
        (timedelta(minutes=1), "1 min"),
        (timedelta(minutes=59, seconds=59), "59 min"),
        (timedelta(hours=23, minutes=59), "23 h"),
        (timedelta(days=1), "1 d"),
        (timedelta(days=1_234), "1,234 d"),
        (-timedelta(minutes=5), "in 5 min"),
    ],
)
def test_an_age_is_told_in_its_largest_unit_and_never_made_older(
    ago: timedelta, words: str
) -> None:
    assert times.age(NOW - ago, NOW) == words


def test_no_time_has_no_age() -> None:
    assert times.age(None, NOW) == ""
    assert times.age(datetime.max.replace(tzinfo=UTC), NOW).startswith("in 2,9")


def test_a_short_moment_has_its_seconds_and_its_year_only_where_they_tell_something() -> None:
    berlin, year = ZoneInfo("Europe/Berlin"), datetime.now(UTC).year
    noon = datetime(year, 7, 1, 12, tzinfo=UTC)
    assert times.short_moment(noon, berlin) == "1 Jul 14:00"
    assert times.short_moment(noon + timedelta(seconds=5), berlin) == "1 Jul 14:00:05"
    assert times.short_moment(noon.replace(year=2024), berlin) == "1 Jul 2024 14:00"
    assert times.short_moment(datetime.max.replace(tzinfo=UTC), berlin)


def test_short_moments_of_an_hour_that_comes_twice_differ() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert times.short_moment(FIRST_HALF_PAST_TWO, berlin).endswith(" 02:30 CEST")
    assert times.short_moment(SECOND_HALF_PAST_TWO, berlin).endswith(" 02:30 CET")
    assert times.short_moment(NOON, berlin).endswith(" 13:00")


def test_a_column_in_little_room_has_no_year_while_all_are_of_this_one(in_berlin: None) -> None:
    this_year = datetime.now(UTC).replace(month=7, day=1)
    short = times.short_column("Started", [this_year, None])
    assert short["type_config"]["format"] == "D MMM HH:mm:ss"
    assert short["label"] == "Started (Berlin)"
    other = times.short_column("Started", [this_year, this_year.replace(year=2024)])
    assert other["type_config"]["format"] == "D MMM YYYY, HH:mm:ss"


def test_a_time_without_a_zone_is_one_of_utc() -> None:
    assert list(times.cells([NOON.replace(tzinfo=None), NOON, None]))[:2] == [NOON, NOON]
