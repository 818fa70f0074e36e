"""A plan sets apart the runs that have written lately, and says which run each of its ids is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runmanager.deletion import plan, plan_deletion
from runmanager.deletion.reasons import ACTIVE_UNSEEN, replaced
from tests.conftest import every_shape
from tests.readings import opened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runmanager.records import DeletionPlan
    from tests.hosts import HostWriter


def planned(
    host: HostWriter, ids: Sequence[str], minutes: float = 5, *, include_running: bool = False
) -> DeletionPlan:
    with opened(host) as (connection, read):
        return plan_deletion(
            connection, read, ids, include_running=include_running, active_minutes=minutes
        )


def write_log(host: HostWriter, run: str, ago: str = "1 minute") -> None:
    host.execute(
        f"INSERT INTO {host.shape.logs} (thread_id, created_at) VALUES (%s, now() - %s::interval)",  # noqa: S608
        run,
        ago,
    )


@pytest.mark.parametrize("shape", ["text", "uuid", "schema"], indirect=True)
def test_active_runs_stay_unless_running_ones_are_included(host: HostWriter) -> None:
    active, quiet, running = host.new_ids(3)
    (orphan,) = host.new_ids(1)
    for run in (active, quiet):
        host.add_run(run)
    host.add_run(running, status="running")
    write_log(host, active)
    write_log(host, running)
    write_log(host, orphan)
    write_log(host, quiet, "6 minutes")
    found = planned(host, [active, quiet, running, orphan])
    assert [run.thread_id for run in found.runs] == [quiet]
    assert [run.thread_id for run in found.active] == [active, orphan]
    assert [run.thread_id for run in found.excluded] == [running]
    assert found.thread_ids == (quiet,)
    # What stays is not counted among what goes.
    assert {table.table: table.rows for table in found.tables}[host.shape.logs or ""] == 1
    included = planned(host, [active, quiet, running, orphan], include_running=True)
    assert included.thread_ids == (active, quiet, running, orphan)
    assert included.active == ()


def test_the_number_of_minutes_decides_and_none_turn_it_off(host: HostWriter) -> None:
    run = host.add_run()
    write_log(host, run, "6 minutes")
    for minutes, is_active in ((0, False), (5, False), (7, True)):
        assert [one.thread_id for one in planned(host, [run], minutes).active] == [run] * is_active


def test_what_cannot_be_looked_at_is_said(host: HostWriter) -> None:
    host.execute("ALTER TABLE logs DROP created_at")
    run = host.add_run()
    assert "“logs” was written cannot be told" in " ".join(planned(host, [run]).unseen)
    assert planned(host, [run], 0).unseen == ()
    assert planned(host, [run], include_running=True).unseen == ()


def test_a_look_that_takes_too_long_leaves_it_to_each_batch(
    host: HostWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "ACTIVE_SECONDS", 0.05)
    host.execute("ALTER TABLE logs RENAME TO lines")
    host.execute(
        "CREATE VIEW logs AS SELECT thread_id, created_at + CASE WHEN pg_sleep(1) IS NULL"
        " THEN interval '1 s' ELSE interval '0 s' END AS created_at FROM lines"
    )
    run = host.add_run()
    host.execute("INSERT INTO lines (thread_id, created_at) VALUES (%s, now())", run)
    found = planned(host, [run])
    assert [one.thread_id for one in found.runs] == [run]
    assert found.looks_on
    assert ACTIVE_UNSEEN in found.unseen
    assert not planned(host, [run], 0).looks_on


@every_shape
def test_a_run_s_stamp_is_its_time_as_the_database_prints_it(host: HostWriter) -> None:
    times = ["2026-01-02 03:04:05.6+02", "infinity", "0044-03-15 12:00+00 BC", None]
    ids = [host.add_run(created_at=time) for time in times]
    assert [run.stamp for run in planned(host, ids).runs] == [
        "2026-01-02 01:04:05.6+00", "infinity", "0044-03-15 12:00:00+00 BC", None,
    ]  # fmt: skip


def test_another_run_under_the_same_id_is_told_by_its_start() -> None:
    assert "has this id now, started 2026-01-02 01:04:05+00: it was not confirmed" in replaced(
        "2026-01-02 01:04:05+00"
    )
    assert "without a time" in replaced(None)
