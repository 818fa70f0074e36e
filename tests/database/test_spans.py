"""Runs by when they started and how long they took: as the list shows them, whatever the type."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runmanager.errors import InvalidRequestError
from runmanager.filters import RunFilter
from runmanager.paging import PageRequest
from runmanager.sorting import SortKey
from tests.hosts import LONG_AGO

if TYPE_CHECKING:
    from runmanager.records import Actor, RunSummary
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter

TYPES = ("timestamptz", "timestamp(0)", "timestamp", "date")
# One that leaps in spring, one that does so by half an hour, and one that left out a whole day.
ZONES = {
    "UTC": datetime(2026, 3, 29, 1, tzinfo=UTC),
    "Europe/Berlin": datetime(2026, 3, 29, 1, tzinfo=UTC),
    "America/New_York": datetime(2026, 11, 1, 6, tzinfo=UTC),
    "Australia/Lord_Howe": datetime(2026, 4, 4, 15, tzinfo=UTC),
    "Pacific/Apia": datetime(2011, 12, 30, 10, tzinfo=UTC),
}
every_zone = pytest.mark.parametrize("zone", ZONES)
every_type = pytest.mark.parametrize("kind", TYPES)
minutes = st.integers(-240, 240).map(lambda number: timedelta(minutes=5 * number))


def shown(manager: RunManager, admin: Actor, run_filter: RunFilter) -> dict[str, RunSummary]:
    page = manager.finding.list_runs(admin, run_filter, PageRequest(1, 200))
    assert page.total == len(page.items)
    assert set(manager.finding.freeze(admin, run_filter).thread_ids) == {
        run.thread_id for run in page.items
    }
    return {run.thread_id: run for run in page.items}


def clocks(around: datetime) -> list[str]:
    """What clocks show and a host may write, each quarter of an hour for two days and more."""
    first = around.replace(tzinfo=None) - timedelta(hours=30)
    return [str(first + number * timedelta(minutes=15)) for number in range(190)]


@every_zone
@every_type
def test_a_run_started_when_the_list_says_so(
    host: HostWriter, open_manager: OpenManager, admin: Actor, kind: str, zone: str
) -> None:
    host.execute(
        f"ALTER TABLE run_metadata DROP created_at, ADD created_at {kind};"
        "CREATE INDEX ON run_metadata (created_at DESC)"
    )
    with host.connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO run_metadata (thread_id, created_at) VALUES (%s, %s)",
            [(str(n), text) for n, text in enumerate([*clocks(ZONES[zone]), None])],
        )
    manager = open_manager(timestamp_zone=ZoneInfo(zone))
    every = shown(manager, admin, RunFilter())
    assert len(every) == 191
    times = {one: run.created_at for one, run in every.items() if run.created_at is not None}

    @given(since=st.none() | minutes, until=st.none() | minutes)
    @settings(max_examples=25)
    def compare(since: timedelta | None, until: timedelta | None) -> None:
        first, end = (None if one is None else ZONES[zone] + one for one in (since, until))
        found = shown(manager, admin, RunFilter(since=first, until=end))
        wanted = {
            one
            for one in every
            if (first is None or (one in times and times[one] >= first))
            and (end is None or (one in times and times[one] < end))
        }
        assert set(found) == wanted

    compare()


ENDS = ["infinity", "-infinity", "0044-03-15 12:00 BC", "294276-12-31 23:00", None]


@every_zone
@every_type
def test_a_run_took_as_long_as_between_the_times_that_are_shown(
    host: HostWriter, open_manager: OpenManager, admin: Actor, kind: str, zone: str
) -> None:
    # Each two types meet in one zone at least.
    ended = TYPES[(TYPES.index(kind) + [*ZONES].index(zone)) % len(TYPES)]
    host.execute(
        "ALTER TABLE run_metadata DROP created_at, DROP completed_at,"
        f" ADD created_at {kind}, ADD completed_at {ended}"
    )
    some = [*clocks(ZONES[zone])[90:150:3], *ENDS]
    pairs = [(one, other) for one in some[::2] for other in some]
    with host.connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO run_metadata (thread_id, status, created_at, completed_at)"
            " VALUES (%s, %s, %s, %s)",
            [
                (str(n), ("running", "completed", None)[n % 3], *pair)
                for n, pair in enumerate(pairs[:190])
            ],
        )
    manager = open_manager(timestamp_zone=ZoneInfo(zone))
    every = shown(manager, admin, RunFilter())
    took = {one: _took(run) for one, run in every.items()}
    lengths = {length for length in took.values() if length is not None and length > timedelta()}
    for length in sorted(lengths)[::10]:
        for asked in (length, length - timedelta(microseconds=1)):
            found = shown(manager, admin, RunFilter(longer_than=asked))
            wanted = {one for one, known in took.items() if known is not None and known > asked}
            # By the two clocks, now is not the same moment.
            running = {one for one in every if every[one].completed_at is None}
            assert set(found) - running == wanted - running, asked


def _took(run: RunSummary) -> timedelta | None:
    if run.created_at is None or run.completed_at is None:
        return None
    return run.completed_at - run.created_at


def test_a_running_run_counts_to_now_and_no_other_does(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    now = datetime.now(UTC)
    for status in ("running", "In Progress", "paused", "completed", None):
        for hours in (1, 3):
            name = f"{status} {hours}"
            host.add_run(name, status=status, created_at=now - timedelta(hours=hours))
    host.add_run("over", status="running", created_at=now - timedelta(hours=9), completed_at=now)
    host.add_run("no start", status="running", created_at=None)
    manager = open_manager()
    assert set(shown(manager, admin, RunFilter(longer_than=timedelta(hours=2)))) == {
        "running 3",
        "In Progress 3",
        "over",
    }


def test_what_is_no_time_is_not_offered_to_filter_or_sort_by(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    keys = {"since", "until", "longer_than"}
    assert keys <= set(open_manager().finding.offered)
    assert SortKey.TOOK in open_manager().finding.sorts
    host.execute("ALTER TABLE run_metadata ALTER completed_at TYPE text")
    manager = open_manager()
    assert keys & set(manager.finding.offered) == {"since", "until"}
    assert SortKey.TOOK not in manager.finding.sorts
    host.execute("ALTER TABLE run_metadata ALTER created_at TYPE text")
    manager = open_manager()
    assert not keys & set(manager.finding.offered)
    for run_filter in (RunFilter(since=LONG_AGO), RunFilter(longer_than=timedelta(1))):
        with pytest.raises(InvalidRequestError, match="cannot be filtered by"):
            manager.finding.list_runs(admin, run_filter, PageRequest())
    host.execute("ALTER TABLE run_metadata DROP completed_at, DROP error_message")
    assert not {"longer_than", "error"} & set(open_manager().finding.offered)


def test_a_time_before_now_is_meant_at_each_call(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    host.add_run("now", created_at=datetime.now(UTC) - timedelta(minutes=30))
    host.add_run("before", created_at=datetime.now(UTC) - timedelta(minutes=90))
    hour = timedelta(hours=1)
    assert set(shown(manager, admin, RunFilter(since=hour))) == {"now"}
    assert set(shown(manager, admin, RunFilter(until=hour))) == {"before"}
