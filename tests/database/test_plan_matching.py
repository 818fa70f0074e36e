"""A plan by filter: exactly the runs that it means, frozen into a file while they stream by."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runmanager.archive.ids import NAME, read_ids
from runmanager.conventions import Conventions
from runmanager.deletion import MAX_RUNS, freezing, matching, plan_deletion
from runmanager.deletion.matching import plan_matching
from runmanager.deletion.tallies import Times
from runmanager.errors import InvalidRequestError
from runmanager.filters import RunFilter
from runmanager.host.catalog import read_host
from runmanager.host.values import Reading
from runmanager.queries.catalog.hints import read_hints
from runmanager.records import FrozenRun, LeftBehind, StatusKind, UnknownStatus
from tests.conftest import every_shape
from tests.database.test_any_list import every_index, in_host
from tests.folders import MemoryFolder
from tests.hosts import LONG_AGO
from tests.random_runs import (
    FIRST,
    LAST,
    RUNNING_WORDS,
    TIMES,
    Run,
    Stored,
    fill,
    filters,
    is_meant,
    kind,
    runs,
)
from tests.readings import opened

if TYPE_CHECKING:
    from runmanager.records import DeletionPlan
    from tests.hosts import HostWriter

EVERY = RunFilter()
NOW = datetime(2026, 11, 26, tzinfo=UTC)


def planned(
    host: HostWriter,
    run_filter: RunFilter = EVERY,
    folder: MemoryFolder | None = None,
    conventions: Conventions = Conventions(running_words=RUNNING_WORDS),  # noqa: B008  a value
    **wanted: Any,
) -> DeletionPlan:
    with opened(host) as (connection, _read):
        known = read_host(connection, conventions)
        reading = Reading(connection, known, read_hints(connection, known))
        values: dict[str, Any] = {"every": True, "into": folder or MemoryFolder()} | wanted
        return plan_matching(reading, run_filter, **values)


def goes(run: Stored, until: datetime, *, include_running: bool) -> bool:
    started = TIMES[run.started]
    in_time = started is None or started <= until
    return in_time and (include_running or kind(run) != "running")


@every_index
@pytest.mark.parametrize("are_many", [False, True], ids=["few", "many"])
def test_exactly_the_runs_of_plain_python_are_frozen(
    host: HostWriter,
    indexes: list[str],
    are_many: bool,
    every_point: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for index in indexes:
        host.execute(f"CREATE INDEX ON run_metadata {index}")
    if are_many:
        monkeypatch.setattr(matching, "MAX_RUNS", 0)
    monkeypatch.setattr(freezing, "_CHUNK", 3)

    @given(
        made=runs,
        # Most filters mean few of the runs.
        run_filter=st.just(EVERY) | filters,
        until=st.sampled_from([NOW, *(one for one in TIMES.values() if one and one < LAST)]),
        left_out=st.sets(st.integers(0, 40), max_size=4),
        include_running=st.booleans(),
    )
    @settings(max_examples=100 if every_point else 8)
    def compare(
        made: list[Run],
        run_filter: RunFilter,
        until: datetime,
        left_out: set[int],
        include_running: bool,
    ) -> None:
        stored = fill(host, made)
        excepting = [run.thread_id for number, run in enumerate(stored) if number in left_out]
        meant = [run for run in stored if is_meant(run, run_filter)]
        going = [
            run
            for run in meant
            if goes(run, until, include_running=include_running) and run.thread_id not in excepting
        ]
        folder = MemoryFolder()
        plan = planned(
            host, in_host(host, run_filter), folder,
            until=until, excepting=[*excepting, "no such run"], include_running=include_running,
        )  # fmt: skip
        frozen = list(read_ids(folder))
        printed = dict(host.execute("SELECT thread_id, created_at::text FROM run_metadata"))
        assert sorted(frozen, key=lambda run: run.thread_id) == sorted(
            (
                FrozenRun(
                    run.thread_id,
                    printed[run.thread_id],
                    ((run.name or "").strip() and run.name) or None,
                )
                for run in going
            ),
            key=lambda run: run.thread_id,
        )
        assert plan.total == plan.matching == len(going)
        assert plan.until == until
        everybody = [run for run in meant if goes(run, until, include_running=True)]
        running = [run for run in everybody if kind(run) == "running"]
        assert plan.running == (
            0
            if include_running
            else len([run for run in running if run.thread_id not in excepting])
        )
        assert plan.tally is not None
        assert_tally(plan, going)
        ordered = host.execute(
            "SELECT thread_id FROM run_metadata WHERE thread_id = ANY(%s)"
            " ORDER BY created_at DESC NULLS LAST, thread_id DESC",
            [run.thread_id for run in going],
        )
        assert [run.thread_id for run in plan.runs] == [one for (one,) in ordered]

    compare()


def assert_tally(plan: DeletionPlan, going: list[Stored]) -> None:
    """What the tally says is what is counted of the runs one by one."""
    assert plan.tally is not None

    def counted(values: list[str | None]) -> dict[str | None, int]:
        return {one: values.count(one) for one in values}

    statuses = {status: number for status, _kind, number in plan.tally.statuses}
    assert statuses == counted([run.status for run in going])
    assert {kind.shown for _status, kind, _number in plan.tally.statuses} == {
        kind(run) for run in going
    }
    assert dict(plan.tally.users) == counted([run.user for run in going])
    assert dict(plan.tally.workspaces) == counted([run.workspace for run in going])
    for facet in (plan.tally.users, plan.tally.workspaces):
        numbers = [number for _name, number in facet]
        assert numbers == sorted(numbers, reverse=True)
    times = [time for time in (TIMES[run.started] for run in going) if time is not None]
    assert plan.tally.first == min(times, default=None)
    assert plan.tally.last == max(times, default=None)
    assert plan.tally.undated == len(going) - len(times)


def test_an_empty_filter_must_be_meant(host: HostWriter) -> None:
    host.add_runs(2)
    folder = MemoryFolder()
    with pytest.raises(InvalidRequestError, match="every run in the database"):
        planned(host, folder=folder, every=False)
    assert folder.names() == ()
    assert planned(host, RunFilter(search="id"), every=False).total == 2
    assert planned(host).total == 2


def test_the_plan_says_which_runs_in_words(host: HostWriter) -> None:
    one, two = host.add_runs(2)
    host.add_run(workspace="Ops", user="kate")
    assert planned(host).sentence == "every run in the database"
    assert planned(host, excepting=[one, "other"]).sentence == (
        "every run in the database, but not 1 run taken out by hand"
    )
    kept = planned(host, RunFilter(search="id"), excepting=[one, two])
    assert kept.sentence.endswith(", but not 2 runs taken out by hand")
    asked = RunFilter(username="kate", workspace=host.workspace("Ops"), since=timedelta(days=9999))
    sentence = planned(host, asked).sentence
    assert sentence.startswith("user “kate” and workspace “Ops” and started since ")
    # It is frozen: “within 9999 days” would mean something else tomorrow.
    assert sentence.endswith(" UTC")


@every_shape
def test_few_runs_are_planned_as_chosen_ones_are(host: HostWriter) -> None:
    ids = host.add_runs(3)
    (running,) = host.add_runs(1, status="running")
    if not host.shape.is_minimal:
        host.execute("CREATE TABLE billing (thread_id text)")
        host.execute("INSERT INTO billing VALUES (%s), (%s)", ids[0], running)
    folder = MemoryFolder()
    plan = planned(host, folder=folder)
    with opened(host) as (connection, read):
        chosen = plan_deletion(connection, read, ids, include_running=False)
    assert plan.tables == chosen.tables
    assert plan.left_behind == chosen.left_behind
    assert plan.kept == chosen.kept
    assert plan.unseen == chosen.unseen
    assert {run.thread_id: run for run in plan.runs} == {run.thread_id: run for run in chosen.runs}
    assert (plan.running, plan.is_about, plan.looks_on) == (1, False, False)
    assert {run.thread_id for run in read_ids(folder)} == set(ids)


def test_held_and_active_ones_of_few_runs_are_found_and_not_frozen(host: HostWriter) -> None:
    host.execute(
        "CREATE TABLE holds (run text CONSTRAINT held REFERENCES run_metadata (thread_id))"
    )
    held, active, going = host.add_runs(3)
    host.execute("INSERT INTO holds VALUES (%s)", held)
    host.execute("INSERT INTO logs (thread_id, created_at) VALUES (%s, now())", active)
    folder = MemoryFolder()
    plan = planned(host, folder=folder, active_minutes=5)
    assert [run.thread_id for run in plan.runs] == [going]
    assert [run.thread_id for run in plan.active] == [active]
    assert [run.thread_id for run in plan.held] == [held]
    assert [run.thread_id for run in read_ids(folder)] == [going]
    assert plan.total == 1
    included = planned(host, include_running=True, active_minutes=5)
    assert {run.thread_id for run in included.runs} == {active, going}


@every_shape
def test_of_many_runs_what_goes_is_scaled_up_and_said_to_be(
    host: HostWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "MAX_RUNS", 50)
    for number in range(60):
        host.add_run(
            run := host.new_id(host.shape.thread_id),
            created_at=LONG_AGO + number * timedelta(hours=1),
        )
        host.add_traces(run, checkpoints=2, writes=3, blobs=4, logs=5)
    plan = planned(host, active_minutes=5)
    rows = {table.table: table.rows for table in plan.tables}
    counted = {table: host.execute(f"SELECT count(*) FROM {table}")[0][0] for table in rows}  # noqa: S608
    # All of so few were looked at.
    assert rows == counted
    assert plan.rows == sum(counted.values())
    assert (plan.total, plan.is_about, plan.looks_on) == (60, True, True)
    assert "scaled up from 60 of the runs, evenly spread: about, ± 1 %" in " ".join(plan.unseen)
    assert "within the last 5 min is not known yet: each batch looks" in " ".join(plan.unseen)
    assert len(plan.runs) == 60
    assert plan.runs[0].created_at == LONG_AGO + timedelta(hours=59)


def test_of_many_runs_what_stays_is_told_of_those_that_were_looked_at(
    host: HostWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "MAX_RUNS", 5)
    host.execute("CREATE TABLE holds (run text REFERENCES run_metadata (thread_id))")
    host.execute(
        "CREATE TABLE invoices (run text REFERENCES run_metadata (thread_id) ON DELETE SET NULL)"
    )
    host.execute("CREATE TABLE billing (thread_id text)")
    ids = host.add_runs(8)
    host.execute("INSERT INTO holds VALUES (%s), (%s)", ids[0], ids[4])
    host.execute("INSERT INTO billing SELECT thread_id FROM run_metadata")
    host.execute("INSERT INTO invoices SELECT thread_id FROM run_metadata")
    folder = MemoryFolder()
    plan = planned(host, folder=folder)
    assert plan.left_behind == (LeftBehind("billing", 8),)
    assert [(one.table, one.references) for one in plan.kept] == [("invoices", 8)]
    assert plan.held == ()
    assert "each batch looks (2 of 8 that were looked at so far)" in " ".join(plan.unseen)
    assert "have written" not in " ".join(plan.unseen)
    assert len(list(read_ids(folder))) == 8


def test_more_runs_than_can_go_at_once_are_refused_and_leave_no_file(
    host: HostWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freezing, "MOST_RUNS", 40)
    host.execute(
        "INSERT INTO run_metadata (thread_id) SELECT 'run ' || n FROM generate_series(1, 20000) n"
    )
    for most in (MAX_RUNS, 10):
        monkeypatch.setattr(matching, "MAX_RUNS", most)
        folder = MemoryFolder()
        with pytest.raises(InvalidRequestError, match="More than 40 runs are too many"):
            planned(host, folder=folder)
        assert folder.names() == ()


def test_none_that_match_make_a_plan_of_nothing(host: HostWriter) -> None:
    host.add_runs(1, status="running")
    folder = MemoryFolder()
    plan = planned(host, folder=folder)
    assert (plan.total, plan.running, plan.runs, plan.rows) == (0, 1, (), 0)
    assert list(read_ids(folder)) == []


def test_runs_that_start_after_the_plan_s_moment_stay(host: HostWriter) -> None:
    host.execute(
        "INSERT INTO run_metadata (thread_id, created_at) VALUES ('now', now()),"
        " ('later', now() + interval '1 hour'), ('never', 'infinity'), ('unknown', NULL)"
    )
    folder = MemoryFolder()
    plan = planned(host, folder=folder)
    assert {run.thread_id for run in read_ids(folder)} == {"now", "unknown"}
    assert plan.until is not None
    assert abs(datetime.now(UTC) - plan.until) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("type_", "values"),
    [
        ("timestamp", ("2026-06-01 11:59", "2026-06-01 12:00:00.000001", "0044-01-01 BC")),
        ("date", ("2026-06-01", "2026-06-02", "-infinity")),
        ("text", ("2026-06-01T11:59:00+02:00", "2026-06-01T10:00:01Z", "who knows")),
    ],
)
def test_the_cut_off_is_by_the_host_s_clock_whatever_its_times_are(
    host: HostWriter, type_: str, values: tuple[str, ...]
) -> None:
    host.execute(f"ALTER TABLE run_metadata ALTER created_at TYPE {type_}")
    for run, value in zip(("before", "after", "odd"), values, strict=True):
        host.add_run(run, created_at=value)
    folder = MemoryFolder()
    plan = planned(
        host,
        folder=folder,
        until=datetime(2026, 6, 1, 10, tzinfo=UTC),
        conventions=Conventions(zone=ZoneInfo("Europe/Berlin")),
    )
    assert {run.thread_id for run in read_ids(folder)} == {"before", "odd"}
    assert plan.tally is not None
    assert plan.tally.undated == (1 if type_ == "text" else 0)
    assert plan.tally.last is not None
    assert plan.tally.last.date() in {datetime(2026, 6, 1).date(), datetime(2026, 5, 31).date()}  # noqa: DTZ001


def test_times_far_away_are_the_nearest_that_python_has(
    host: HostWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "MAX_RUNS", 0)
    for time in ("12026-01-01", "-infinity", "2026-01-01"):
        host.add_run(created_at=time)
    assert planned(host, until=LAST).total == 2
    # What no moment is before: a filter's cut-off leaves it out, and a tally has it all the same.
    times = Times(UTC)
    times.add([b"12026-01-01 00:00:00+00", b"0044-01-01 00:00:00+00 BC", b"2026-01-01 00:00:00+00"])
    assert (times.first, times.last, times.undated) == (FIRST, LAST, 0)


def test_statuses_that_nobody_knows_are_counted_in_all_runs(
    host: HostWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "SHOWN", 1)
    for status in ("odd", "odd", None, "completed"):
        host.add_run(status=status)
    for most in (MAX_RUNS, 0):
        monkeypatch.setattr(matching, "MAX_RUNS", most)
        plan = planned(host)
        assert len(plan.runs) == 1
        assert plan.unknown_statuses == (UnknownStatus("odd", 2), UnknownStatus(None, 1))
        assert plan.tally is not None
        assert ("completed", StatusKind.COMPLETED, 1) in plan.tally.statuses


def test_names_with_tabs_and_long_ones_are_frozen_on_one_line(host: HostWriter) -> None:
    host.add_run("a\tb\\N\nc", name="x\t\\\n" + "y" * 10_000)
    folder = MemoryFolder()
    planned(host, folder=folder)
    (run,) = read_ids(folder)
    assert run.thread_id == "a\tb\\N\nc"
    assert run.name is not None
    assert run.name.startswith("x\t\\\ny")


def test_memory_is_flat_over_many_runs(host: HostWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "MAX_RUNS", 1_000)
    host.execute(
        "INSERT INTO run_metadata (thread_id, run_name, created_at, status)"
        " SELECT md5(n::text), 'Order ' || n, '2025-01-01'::timestamptz + n * interval '1 s',"
        " 'completed' FROM generate_series(1, 60000) n"
    )
    folder = MemoryFolder()
    planned(host)
    tracemalloc.start()
    try:
        plan = planned(host, folder=folder)
        _now, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert plan.total == 60_000
    # As records they would be 25 MB, as texts alone 9 MB.
    assert most < 7_000_000 + 2 * len(folder.files[NAME])


def test_times_are_equal_and_more_than_are_shown(
    host: HostWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "MAX_RUNS", 10)
    host.execute(
        "INSERT INTO run_metadata (thread_id, created_at)"
        " SELECT 'run ' || n, '2025-01-01' FROM generate_series(1, 300) n"
    )
    expected = host.execute(
        "SELECT thread_id FROM run_metadata ORDER BY thread_id DESC LIMIT %s", matching.SHOWN
    )
    assert [run.thread_id for run in planned(host).runs] == [one for (one,) in expected]
    assert replace(planned(host), until=None) == replace(planned(host), until=None)
