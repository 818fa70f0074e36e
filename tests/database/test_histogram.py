"""A filter's runs over time: whatever way they are counted, each bucket has what plain SQL has."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runmanager.clamped_times import utc
from runmanager.errors import DatabaseTooSlowError, InvalidRequestError
from runmanager.filters import KINDS, RunFilter
from runmanager.queries.triage.limits import SampleBudget, TriageLimits
from runmanager.records import Accuracy, Statuses
from tests.examples import some_of
from tests.hosts import LONG_AGO
from tests.roles import READER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runmanager.records import Actor, Histogram
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter
    from tests.roles import Roles

ALL = RunFilter()
BERLIN = ZoneInfo("Europe/Berlin")
ZONES = ("UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe")
STATUSES = (
    "completed",
    "Completed",
    "FAILED",
    "failed",
    "Error ",
    "paused",
    "running",
    "odd",
    None,
)
# Ties; the hours around both changes of the clocks in Berlin; times that no calendar has.
TIMES = (
    *(f"2026-03-29 0{hour}:{minute}:00Z" for hour in range(4) for minute in ("00", "30", "59")),
    *(f"2026-10-25 0{hour}:{minute}:00Z" for hour in range(4) for minute in ("00", "30", "59")),
    *("2026-03-28 12:00Z", "2026-10-26 12:00Z", "2025-11-02 05:31Z", "1970-01-01 00:00Z"),
    *("infinity", "-infinity", "0044-03-15 12:00Z BC", "12345-01-01 00:00Z", None),
)


def rows_at(*times: str | None) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    """Runs that started at some of these times."""
    row = st.tuples(
        st.sampled_from(times),
        st.sampled_from(STATUSES),
        st.sampled_from(("kate", "tom", None)),
        st.sampled_from(("Order 1", "order 2", "Invoice", None)),
    )
    return st.lists(row, max_size=25)


# One from 1970 makes long buckets of all of them: others are of one day, on its hours.
rows = rows_at(*TIMES) | rows_at(*TIMES[:12], None) | rows_at(*TIMES[12:24], "infinity")
ANY = ("failed", "kate", "Order 1")
moments = st.none() | st.sampled_from([time for time in TIMES if time and time.startswith("2")])
filters = st.builds(
    lambda since, until, **others: RunFilter(
        since=since and datetime.fromisoformat(since),
        until=None if until is None or (since and until <= since) else at(until),
        **others,
    ),
    since=moments,
    until=moments,
    username=st.sampled_from([None, None, None, "kate", "nobody"]),
    search=st.sampled_from(["", "", "", "order"]),
    status=st.sampled_from([(), (), (), ("failed",), ("odd", "FAILED")]),
    kind=st.sampled_from([(), (), (), ("failed",), ("other", "paused")]),
)
# Nothing is few, nor tried: what is left of the ways is what is named.
NEVER = TriageLimits(bucketed=0, totalled=0, try_seconds=0, sample=SampleBudget(enough=1_000_000))
WAYS = {
    "by bucket": TriageLimits(),
    "totals": replace(NEVER, totalled=1_000_000, few=0),
    "newest": NEVER,
}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def fill(host: HostWriter, made: list[tuple[Any, ...]]) -> None:
    host.execute("TRUNCATE run_metadata")
    with host.connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO run_metadata (thread_id, created_at, status, user_id, run_name)"
            " VALUES (%s, %s, %s, %s, %s)",
            [
                (host.new_id(), time, status, user and host.user(user), name)
                for time, status, user, name in made
            ],
        )


def plainly(host: HostWriter, run_filter: RunFilter, start: datetime, end: datetime) -> list[str]:
    """What each of the runs is that plain SQL finds between the two times."""
    parts = ["created_at >= %s", "created_at < %s"]
    values: list[object] = [start, end]
    for moment, sign in ((run_filter.since, ">="), (run_filter.until, "<")):
        if moment is not None:
            parts.append(f"created_at {sign} %s")
            values.append(moment)
    if run_filter.username is not None:
        parts.append("user_id IN (SELECT id FROM users WHERE username = %s)")
        values.append(run_filter.username)
    if run_filter.search:
        parts.append("run_name ILIKE %s")
        values.append(f"%{run_filter.search}%")
    if run_filter.status:
        parts.append("status = ANY(%s)")
        values.append(list(run_filter.status))
    found = host.execute(f"SELECT status FROM run_metadata WHERE {' AND '.join(parts)}", *values)  # noqa: S608
    kinds = [Statuses().kind(status).shown for (status,) in found]
    return sorted(kind for kind in kinds if kind in (run_filter.kind or KINDS))


def listed(runs: Mapping[str, int]) -> list[str]:
    assert tuple(runs) == KINDS
    return sorted(kind for kind, number in runs.items() for _one in range(number))


def totals(histogram: Histogram) -> dict[str, int]:
    return {kind: sum(one.runs[kind] for one in histogram.buckets) for kind in KINDS}


def is_without_gaps(histogram: Histogram) -> bool:
    pairs = pairwise(histogram.buckets)
    return all(one.end == later.start for one, later in pairs)


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=some_of(30))
@given(
    made=rows,
    run_filter=filters,
    buckets=st.sampled_from([1, 2, 7, 60, 200]),
    zone=st.sampled_from(ZONES),
)
# Just on the edges.
@example([(f"2026-03-29 0{hour}:00:00Z", *ANY) for hour in range(4)], ALL, 7, "UTC")
def test_each_bucket_has_what_plain_sql_finds_there(
    host: HostWriter,
    open_manager: OpenManager,
    opened: dict[str, RunManager],
    way: str,
    made: list[tuple[Any, ...]],
    run_filter: RunFilter,
    buckets: int,
    zone: str,
) -> None:
    if way not in opened:
        host.execute("CREATE INDEX ON run_metadata (status)")
        host.execute("CREATE INDEX ON run_metadata (created_at DESC)")
        opened[way] = open_manager(triage_limits=WAYS[way])
    fill(host, made)
    found = opened[way].triage.histogram(host.admin, run_filter, buckets, ZoneInfo(zone))
    assert is_without_gaps(found)
    assert len(found.buckets) <= buckets
    assert found.accuracy is Accuracy.EXACT or (way == "newest" and run_filter.since is None)
    for one in found.buckets:
        assert listed(one.runs) == plainly(host, run_filter, one.start, one.end)
    everything = plainly(host, run_filter, at("0001-01-03 00:00Z"), at("9999-12-29 00:00Z"))
    assert listed(totals(found)) == everything
    assert bool(found.buckets) is bool(everything) or found.accuracy is Accuracy.AT_LEAST


@pytest.mark.parametrize(
    ("type_of_column", "made"),
    [
        ("timestamp", "created_at AT TIME ZONE 'Europe/Berlin'"),
        ("date", "(created_at AT TIME ZONE 'Europe/Berlin')::date"),
    ],
)
@settings(max_examples=some_of(40))
@given(made_rows=rows, buckets=st.sampled_from([7, 60, 200]), zone=st.sampled_from(ZONES))
# What the clocks in Berlin leapt over is later than what they showed next, first and last.
@example([("2026-03-29 02:30:00Z", *ANY), ("2026-03-29 03:00:00Z", *ANY)], 60, "UTC")
@example([("2026-03-29 02:59:00Z", *ANY), ("2026-03-29 03:30:00Z", *ANY)], 60, "UTC")
def test_times_by_a_clock_are_in_the_bucket_of_the_time_that_the_list_shows(
    host: HostWriter,
    open_manager: OpenManager,
    opened: dict[str, RunManager],
    type_of_column: str,
    made: str,
    made_rows: list[tuple[Any, ...]],
    buckets: int,
    zone: str,
) -> None:
    if not opened:
        host.execute(
            f"ALTER TABLE run_metadata ALTER created_at TYPE {type_of_column} USING {made}"
        )
        for name, limits in {"by bucket": TriageLimits(), "newest": NEVER}.items():
            opened[name] = open_manager(triage_limits=limits, timestamp_zone=BERLIN)
    # By the clock as it stands there, of whichever of two hours.
    fill(host, [(time and time.replace("Z", ""), *others) for time, *others in made_rows])
    shown = [
        (utc(time, BERLIN), Statuses().kind(status).shown)
        for time, status in host.execute(
            "SELECT created_at, status FROM run_metadata"
            " WHERE created_at BETWEEN '0001-01-05' AND '9999-12-20'"
        )
    ]
    for manager in opened.values():
        found = manager.triage.histogram(host.admin, ALL, buckets, ZoneInfo(zone))
        assert is_without_gaps(found)
        for one in found.buckets:
            inside = [kind for time, kind in shown if time and one.start <= time < one.end]
            assert listed(one.runs) == sorted(inside)
        assert listed(totals(found)) == sorted(kind for _time, kind in shown)


def test_times_that_are_texts_have_no_buckets(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute("ALTER TABLE run_metadata ALTER created_at TYPE text")
    host.add_run(created_at="2026-11-01T10:00:00Z")
    assert open_manager().triage.histogram(admin, ALL).buckets == ()


def test_it_ends_where_the_filter_does_and_else_at_round_times(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    for minute in (7, 23, 48):
        host.add_run(created_at=at(f"2026-11-01 10:{minute:02}:30Z"))
    found = manager.triage.histogram(admin, ALL, buckets=12)
    assert (found.buckets[0].start, found.buckets[-1].end) == (
        at("2026-11-01 10:05Z"),
        at("2026-11-01 10:50Z"),
    )
    asked = RunFilter(since=at("2026-11-01 10:07:10Z"), until=at("2026-11-01 11:01Z"))
    found = manager.triage.histogram(admin, asked, buckets=12)
    assert (found.buckets[0].start, found.buckets[-1].end) == (asked.since, asked.until)
    assert found.buckets[0].end == at("2026-11-01 10:10Z")
    ago = RunFilter(since=timedelta(days=3650))
    assert sum(totals(manager.triage.histogram(admin, ago)).values()) == 3


@pytest.mark.parametrize("buckets", [0, -1, 201])
def test_there_are_one_to_two_hundred_buckets(
    manager: RunManager, admin: Actor, buckets: int
) -> None:
    with pytest.raises(InvalidRequestError, match="1 to 200"):
        manager.triage.histogram(admin, ALL, buckets)


def test_a_host_without_runs_has_no_bucket(manager: RunManager, admin: Actor) -> None:
    assert manager.triage.histogram(admin, ALL).buckets == ()
    assert manager.triage.histogram(admin, RunFilter(since=LONG_AGO)).buckets == ()
    both = RunFilter(since=LONG_AGO, until=LONG_AGO + timedelta(days=1))
    assert manager.triage.histogram(admin, both).buckets == ()


# Forty thousand runs over forty days, in the order of time; one in fifty failed, and 40 paused.
MANY = """
    INSERT INTO run_metadata (thread_id, run_name, status, created_at)
    SELECT 'run-' || n, 'Order ' || n,
           CASE WHEN n % 1000 = 0 THEN 'paused' WHEN n % 50 = 0 THEN 'failed' ELSE 'completed' END,
           timestamptz '2026-01-01' + n * interval '1 minute 26.4 seconds'
    FROM generate_series(1, 40000) n
"""
# Everything is too much, and half of the rows are sampled.
SAMPLED = replace(
    NEVER, few=100, looked_through=1_000, sample=SampleBudget(first=2_000, most=20_000, seconds=60)
)


def sampled_bars(manager: RunManager, admin: Actor, run_filter: RunFilter = ALL) -> Histogram:
    found = manager.triage.histogram(admin, run_filter)
    assert found.accuracy is Accuracy.SAMPLED
    return found


def test_a_samples_bars_are_right_within_a_twentieth_and_rare_statuses_exact(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute(MANY)
    host.execute("CREATE INDEX ON run_metadata (status)")
    host.execute("VACUUM ANALYZE run_metadata")
    bars = sampled_bars(open_manager(triage_limits=SAMPLED), admin)
    assert len(bars.buckets) == 41
    for one in bars.buckets[1:-1]:
        assert sum(one.runs.values()) == pytest.approx(1_000, rel=0.05)
        assert one.runs["paused"] == 1
    assert totals(bars)["completed"] == pytest.approx(39_200, rel=0.02)
    assert totals(bars)["failed"] == pytest.approx(760, rel=0.15)


def test_a_sample_grows_only_as_long_as_there_is_time(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute(MANY)
    host.execute("VACUUM ANALYZE run_metadata")
    small = replace(SAMPLED, sample=replace(SAMPLED.sample, seconds=0))
    coarse = sampled_bars(open_manager(triage_limits=small), admin)
    fine = sampled_bars(open_manager(triage_limits=SAMPLED), admin)
    # A row of the small sample stands for so many runs: 2,000 places were asked, half have none.
    step = min(runs for one in coarse.buckets for runs in one.runs.values() if runs)
    assert step == pytest.approx(40, rel=0.1)
    assert min(runs for one in fine.buckets for runs in one.runs.values() if runs) < step / 2


def test_a_sample_is_of_the_runs_that_the_filter_means(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute(MANY)
    host.execute("VACUUM ANALYZE run_metadata")
    asked = RunFilter(search="Order 1", since=at("2026-01-05 00:00Z"))
    bars = sampled_bars(open_manager(triage_limits=SAMPLED), admin, asked)
    assert bars.buckets[0].start == asked.since
    # 'Order 1' begins the names of 10,000 to 19,999, and those have seven days.
    exact = [sum(one.runs.values()) for one in bars.buckets]
    assert sum(exact) == pytest.approx(10_000, rel=0.05)


def test_partitions_are_sampled_alike_whatever_their_sizes(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute(
        "ALTER TABLE run_metadata RENAME TO before;"
        "CREATE TABLE run_metadata (LIKE before INCLUDING DEFAULTS)"
        " PARTITION BY RANGE (created_at);"
        "CREATE TABLE early PARTITION OF run_metadata"
        " FOR VALUES FROM (MINVALUE) TO ('2026-01-06');"
        "CREATE TABLE late PARTITION OF run_metadata FOR VALUES FROM ('2026-01-06') TO (MAXVALUE);"
        "DROP TABLE before"
    )
    host.execute(MANY)
    host.execute("VACUUM ANALYZE")
    bars = sampled_bars(open_manager(triage_limits=SAMPLED), admin)
    for one in bars.buckets[1:-1]:
        assert sum(one.runs.values()) == pytest.approx(1_000, rel=0.05)


def test_a_view_has_no_sample_and_what_is_known_is_said(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute(MANY)
    host.execute(
        "ALTER TABLE run_metadata RENAME TO kept;"
        "CREATE VIEW run_metadata AS SELECT * FROM kept WHERE thread_id <> 'run-1'"
    )
    found = open_manager(triage_limits=SAMPLED).triage.histogram(admin, ALL)
    assert found.accuracy is Accuracy.AT_LEAST
    assert sum(totals(found).values()) == 1_000
    found = open_manager().triage.histogram(admin, ALL)
    assert found.accuracy is Accuracy.EXACT
    assert sum(totals(found).values()) == 39_999


def test_a_role_that_may_read_some_columns_only_gets_what_is_known(
    host: HostWriter, open_manager: OpenManager, admin: Actor, roles: Roles
) -> None:
    host.execute(MANY)
    role = roles.of_the_page(READER)
    host.execute(
        f"REVOKE ALL ON run_metadata FROM {role};"
        "GRANT SELECT (thread_id, run_name, status, created_at, user_id, workspace_id,"
        " completed_at, error_message, parent_thread_id, llm_model, sop, initial_data, metadata)"
        f" ON run_metadata TO {role}"
    )
    manager = open_manager(roles.url(role), triage_limits=SAMPLED)
    found = manager.triage.histogram(admin, ALL)
    assert found.accuracy is Accuracy.AT_LEAST
    assert sum(totals(found).values()) == 1_000


def test_where_every_way_takes_too_long_it_says_so(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    for _run in range(50):
        host.add_run()
    host.execute(
        "ALTER TABLE run_metadata RENAME TO kept;"
        "CREATE VIEW run_metadata AS SELECT * FROM kept WHERE pg_sleep(0.01) IS NOT NULL"
    )
    manager = open_manager(triage_limits=TriageLimits(seconds=0.1, try_seconds=0.1))
    asked = RunFilter(since=LONG_AGO, until=LONG_AGO + timedelta(days=1))
    with pytest.raises(DatabaseTooSlowError):
        manager.triage.histogram(admin, asked)
    with pytest.raises(DatabaseTooSlowError):
        manager.triage.statuses(admin, asked)
    patient = open_manager(triage_limits=TriageLimits(seconds=5))
    assert sum(totals(patient.triage.histogram(admin, asked)).values()) == 50


@pytest.fixture
def opened() -> dict[str, RunManager]:
    """Run Manager as the examples before have opened it."""
    return {}
