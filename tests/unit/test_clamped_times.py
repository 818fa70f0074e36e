"""A host's times in UTC: by its clock where they name no zone, and never a failure."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runmanager.clamped_times import utc

BERLIN = ZoneInfo("Europe/Berlin")
zones = st.sampled_from(sorted(available_timezones())).map(ZoneInfo)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (at("2025-07-01 14:00"), "2025-07-01T12:00Z"),
        (at("2025-01-01 14:00"), "2025-01-01T13:00Z"),
        (at("2025-07-01 14:00Z"), "2025-07-01T14:00Z"),
        (date(2025, 7, 1), "2025-06-30T22:00Z"),
        ("2025-07-01T14:00:00", "2025-07-01T12:00Z"),
        ("2025-07-01 14:00", "2025-07-01T12:00Z"),
        ("2025-07-01", "2025-06-30T22:00Z"),
        ("2025-07-01T14:00:00Z", "2025-07-01T14:00Z"),
        (" 2025-07-01t14:00:00.5z\n", "2025-07-01T14:00:00.5Z"),
        ("2025-07-01T14:00:00.123456789+05:30", "2025-07-01T08:30:00.123456Z"),
        ("2025-07-01 14:00:00+00", "2025-07-01T14:00Z"),
        ("20250701T140000Z", "2025-07-01T14:00Z"),
    ],
)
def test_what_names_no_zone_is_of_the_hosts(value: date | str, said: str) -> None:
    found = utc(value, BERLIN)
    assert found == at(said)
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "yesterday", "infinity", "2025", "2025-07", "2025-13-01", "2025-02-30", "20250701",
        "2025-07-01T25:00", "2025-07-01T14:00+99:00", "2025-07-01 14:00 CEST", "2025-07-01 noon",
        # Milliseconds since 1970, which fromisoformat reads as a time in 1710.
        "1710101012345", "1735732800", "٢٠٢٥-07-01",
    ],
)  # fmt: skip
def test_a_text_that_is_no_time_is_none(text: str) -> None:
    assert utc(text, BERLIN) is None


@given(text=st.text() | st.from_regex(r"\d{4}-\d\d-\d\d[T ]\S{0,16}"), zone=zones)
def test_no_text_fails(text: str, zone: ZoneInfo) -> None:
    found = utc(text, zone)
    assert found is None or found.tzinfo is UTC


@given(value=st.datetimes() | st.dates(), zone=zones)
@example(datetime.max, ZoneInfo("America/New_York"))  # noqa: DTZ901  as the loaders give it
@example(datetime.min, ZoneInfo("Asia/Tokyo"))  # noqa: DTZ901
@example(date.max, ZoneInfo("Pacific/Kiritimati"))
@example(date.min, ZoneInfo("Pacific/Pago_Pago"))
def test_every_time_by_every_clock_is_one_in_utc(value: date, zone: ZoneInfo) -> None:
    found = utc(value, zone)
    assert found is not None
    assert found.tzinfo is UTC


@given(value=st.datetimes(timezones=zones))
@example(datetime.max.replace(tzinfo=ZoneInfo("America/New_York")))
@example(datetime.min.replace(tzinfo=ZoneInfo("Asia/Tokyo")))
def test_what_names_its_zone_is_never_read_by_another_clock(value: datetime) -> None:
    assert utc(value, BERLIN) == utc(value, ZoneInfo("Asia/Tokyo"))
    assert utc(value.isoformat(), BERLIN) == utc(value.isoformat(), ZoneInfo("Asia/Tokyo"))


def test_a_time_that_comes_twice_is_the_first_and_one_leapt_over_goes_by_the_clock_before() -> None:
    assert utc(at("2025-10-26 02:30"), BERLIN) == at("2025-10-26 00:30Z")
    assert utc(at("2025-03-30 02:30"), BERLIN) == at("2025-03-30 01:30Z")
    assert utc("2025-03-30T02:30", BERLIN) == at("2025-03-30 01:30Z")


def test_a_day_without_a_midnight_begins_when_it_begins() -> None:
    # On this day Santiago's clocks went from midnight to 01:00.
    zone = ZoneInfo("America/Santiago")
    begins = utc(date(2025, 9, 7), zone)
    assert begins is not None
    local = begins.astimezone(zone)
    assert (local.date(), local.hour) == (date(2025, 9, 7), 1)
    assert (begins - timedelta(microseconds=1)).astimezone(zone).date() == date(2025, 9, 6)


def test_nothing_is_no_time() -> None:
    assert utc(None, BERLIN) is None
