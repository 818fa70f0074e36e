"""Times as the viewer reads them."""

from __future__ import annotations

from datetime import UTC, datetime
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


def test_a_time_without_a_zone_is_one_of_utc() -> None:
    assert list(times.cells([NOON.replace(tzinfo=None), NOON, None]))[:2] == [NOON, NOON]
