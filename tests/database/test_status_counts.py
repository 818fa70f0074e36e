"""How many runs have each status: what plain SQL counts, or said to be a sample or the least."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runmanager.database import Database
from runmanager.filters import KINDS, RunFilter
from runmanager.host.catalog import read_host
from runmanager.host.values import Reading
from runmanager.queries.catalog.hints import read_hints
from runmanager.queries.triage.limits import SampleBudget, TriageLimits
from runmanager.queries.triage.statuses import read_statuses
from runmanager.records import Accuracy, StatusKind
from runmanager.settings import Settings
from tests.examples import some_of
from tests.hosts import LONG_AGO
from tests.statements import recorded

if TYPE_CHECKING:
    from runmanager.records import Actor, StatusCounts
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter

ALL = RunFilter()
STATUSES = ("completed", "Completed", " COMPLETED", "failed", "FAILED", "Error ", "odd", "", None)
rows = st.lists(
    st.tuples(
        st.sampled_from(STATUSES),
        st.none() | st.integers(0, 3),
        st.sampled_from(("kate", "tom", None)),
        st.sampled_from(("Order 1", "Invoice", None)),
    ),
    max_size=30,
)
filters = st.builds(
    RunFilter,
    username=st.sampled_from([None, None, "kate", "nobody"]),
    search=st.sampled_from(["", "", "order"]),
    since=st.sampled_from([None, None, LONG_AGO + timedelta(days=1)]),
    until=st.sampled_from([None, None, LONG_AGO + timedelta(days=2)]),
    # Whatever is asked of the statuses themselves is left out.
    status=st.sampled_from([(), ("failed",)]),
    kind=st.sampled_from([(), ("other",), ("completed", "failed")]),
)
# Nothing is few, nor tried: what is left of the ways is what is named.
NEVER = TriageLimits(
    counted=0, bucketed=0, try_seconds=0, small_sample=SampleBudget(enough=1_000_000)
)
WAYS = {
    "one by one": TriageLimits(),
    "by words": replace(NEVER, few=0),
    "newest": replace(NEVER, words=0),
}


def counts(found: StatusCounts) -> dict[str | None, int]:
    assert len({one.status for one in found.items}) == len(found.items)
    return {one.status: one.runs for one in found.items}


def plainly(host: HostWriter, run_filter: RunFilter) -> dict[str | None, int]:
    """What GROUP BY counts."""
    parts: list[str] = ["true"]
    values: list[object] = []
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
    where = " AND ".join(parts)
    found = host.execute(
        f"SELECT status, count(*) FROM run_metadata WHERE {where} GROUP BY 1",  # noqa: S608
        *values,
    )
    return dict(found)


@pytest.fixture
def opened() -> dict[str, RunManager]:
    """Run Manager as the examples before have opened it."""
    return {}


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=some_of(25))
@given(made=rows, run_filter=filters)
def test_each_status_has_as_many_runs_as_plain_sql_counts(
    host: HostWriter,
    open_manager: OpenManager,
    opened: dict[str, RunManager],
    way: str,
    made: list[tuple[Any, ...]],
    run_filter: RunFilter,
) -> None:
    if way not in opened:
        host.execute("CREATE INDEX ON run_metadata (status)")
        opened[way] = open_manager(triage_limits=WAYS[way])
    host.execute("TRUNCATE run_metadata")
    for status, day, user, name in made:
        time = None if day is None else LONG_AGO + timedelta(days=day)
        host.add_run(status=status, created_at=time, user=user, name=name)
    found = opened[way].triage.statuses(host.admin, run_filter)
    assert counts(found) == plainly(host, run_filter)
    assert found.accuracy is Accuracy.EXACT
    runs = [one.runs for one in found.items]
    assert runs == sorted(runs, reverse=True)


def test_a_status_has_its_kind_and_what_nobody_knows_is_other(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    for status in ("FAILED", "Error ", "in_progress", "queued", "odd", "cancelled", None):
        host.add_run(status=status)
    found = manager.triage.statuses(admin, ALL)
    kinds = {one.status: one.kind for one in found.items}
    assert kinds["FAILED"] is kinds["Error "] is StatusKind.FAILED
    assert kinds["odd"] is kinds[None] is StatusKind.UNKNOWN
    assert {kind: found.of(kind) for kind in KINDS} == {
        "running": 2,
        "completed": 0,
        "failed": 2,
        "paused": 0,
        "other": 3,
    }


@pytest.mark.parametrize("kind", ["enum", "integer", "varchar(20)"])
def test_statuses_of_another_type_are_counted_by_their_index(
    host: HostWriter, open_manager: OpenManager, admin: Actor, kind: str
) -> None:
    if kind == "enum":
        host.execute("CREATE TYPE state AS ENUM ('7', '12', '3')")
    of = "state" if kind == "enum" else kind
    host.execute(f"ALTER TABLE run_metadata ALTER status TYPE {of} USING status::{of}")
    host.execute("CREATE INDEX ON run_metadata (status)")
    for status in ("7", "7", "12", "3", None):
        host.add_run(status=status)
    found = open_manager(triage_limits=WAYS["by words"]).triage.statuses(admin, ALL)
    assert counts(found) == {"7": 2, "12": 1, "3": 1, None: 1}


# One in ten of forty thousand failed, and forty are paused; the last five hundred are kate's.
MANY = """
    INSERT INTO users (id, username) VALUES ('kate', 'kate');
    INSERT INTO run_metadata (thread_id, run_name, status, created_at, user_id)
    SELECT 'run-' || n, 'Order ' || n,
           CASE WHEN n % 1000 = 0 THEN 'paused' WHEN n % 10 = 0 THEN 'failed' ELSE 'completed' END,
           timestamptz '2026-01-01' + n * interval '1 minute',
           CASE WHEN n > 39500 THEN 'kate' END
    FROM generate_series(1, 40000) n;
    CREATE INDEX ON run_metadata (status);
    CREATE INDEX ON run_metadata (created_at DESC);
"""
SAMPLE = SampleBudget(first=2_000, most=20_000, seconds=60)
# Two of its three statuses are frequent, and more of them than is counted.
LARGE = replace(NEVER, few=100, minority=10_000, small_sample=SAMPLE)


@pytest.fixture
def many(host: HostWriter) -> HostWriter:
    """The host with so many runs, and the planner's statistics of them."""
    host.execute(MANY)
    host.execute("VACUUM ANALYZE run_metadata")
    return host


def test_of_all_runs_only_the_most_frequent_status_is_an_estimate(
    many: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    found = open_manager(triage_limits=LARGE).triage.statuses(admin, ALL)
    assert found.accuracy is Accuracy.SAMPLED
    assert counts(found) == {"completed": 36_000, "failed": 3_960, "paused": 40}
    many.execute("DELETE FROM run_metadata WHERE status = 'completed' AND thread_id < 'run-2'")
    found = open_manager(triage_limits=LARGE).triage.statuses(admin, ALL)
    # Until the planner's statistics are renewed: the others are what they are.
    assert {**counts(found), "completed": 0} == {"completed": 0, "failed": 3_960, "paused": 40}


def test_of_statuses_that_are_many_and_frequent_a_sample_says_how_many_there_are(
    many: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    limits = replace(LARGE, minority=1_000)
    found = open_manager(triage_limits=limits).triage.statuses(admin, ALL)
    assert found.accuracy is Accuracy.SAMPLED
    assert counts(found)["completed"] == pytest.approx(36_000, rel=0.02)
    assert counts(found)["failed"] == pytest.approx(3_960, rel=0.1)
    # To the run it would be counted, which is what there are too many for.
    assert counts(found)["failed"] != 3_960
    # A sample of half of them would have twenty.
    assert counts(found)["paused"] == 40


def test_a_filters_statuses_are_sampled_where_its_runs_are_many(
    many: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    asked = RunFilter(search="Order 1", since=datetime.fromisoformat("2026-01-05 00:00Z"))
    found = open_manager(triage_limits=LARGE).triage.statuses(admin, asked)
    expected = plainly(many, asked)
    assert found.accuracy is Accuracy.SAMPLED
    assert counts(found)["paused"] == expected["paused"]
    assert counts(found)["completed"] == pytest.approx(expected["completed"], rel=0.05)


def test_where_a_sample_says_nothing_the_newest_runs_are_looked_through(
    many: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    limits = replace(LARGE, looked_through=1_000)
    kate = RunFilter(username="kate", search="Order 39")
    found = open_manager(
        triage_limits=replace(limits, small_sample=NEVER.small_sample)
    ).triage.statuses(admin, kate)
    assert found.accuracy is Accuracy.AT_LEAST
    assert counts(found) == plainly(many, kate)
    old = RunFilter(search="Order 1111")
    found = open_manager(triage_limits=limits).triage.statuses(admin, old)
    assert (found.accuracy, found.items) == (Accuracy.AT_LEAST, ())


def test_a_view_over_the_runs_is_counted_by_words_too(
    many: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    many.execute(
        "ALTER TABLE run_metadata RENAME TO kept;"
        "CREATE VIEW run_metadata AS SELECT * FROM kept WHERE thread_id <> 'run-1000'"
    )
    found = open_manager(triage_limits=LARGE).triage.statuses(admin, ALL)
    assert found.accuracy is Accuracy.SAMPLED
    assert counts(found) == {
        "completed": pytest.approx(36_000, rel=0.01),
        "failed": 3_960,
        "paused": 39,
    }


def test_more_words_than_are_asked_one_by_one_are_counted_together(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute(
        "INSERT INTO run_metadata (thread_id, status)"
        " SELECT n, 'word ' || n % 300 FROM generate_series(1, 600) n"
    )
    host.execute("CREATE INDEX ON run_metadata (status)")
    limits = replace(NEVER, words=200, few=0)
    manager = open_manager(triage_limits=limits)
    with recorded(manager) as statements:
        found = manager.triage.statuses(admin, ALL)
    assert set(counts(found).values()) == {2}
    assert len(found.items) == 300
    assert not any("ORDINALITY" in one for one in statements)


def test_a_run_that_only_the_replica_still_has_is_not_counted(
    host: HostWriter, admin: Actor
) -> None:
    for status in ("failed", "failed", "completed"):
        host.add_run(f"{status}-{host.new_id()}", status=status)
    gone = [run for (run,) in host.execute("SELECT thread_id FROM run_metadata")]
    host.execute("CREATE INDEX ON run_metadata (status)")
    database = Database(host.url, Settings())
    try:
        for limits in (*WAYS.values(), replace(NEVER, few=10)):
            with database.read() as connection:
                known = read_host(connection)
                hidden = frozenset(one for one in gone if one.startswith("failed"))
                reading = Reading(connection, known, read_hints(connection, known), hidden)
                found = read_statuses(reading, ALL, limits)
            assert counts(found) == {"completed": 1}
    finally:
        database.close()
