"""How many runs have a text in their error, where it was searched for in ids and names."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from runmanager.filters import RunFilter
from runmanager.paging import Exactness, Total
from runmanager.queries.triage.limits import TriageLimits
from tests.tried import trying

if TYPE_CHECKING:
    from runmanager.records import Actor
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter

TIMEOUT = RunFilter(search="timeouterror")


def test_a_text_of_an_error_is_found_whatever_its_case_with_all_else_that_is_asked(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    host.add_run(error_message="TimeoutError: 30 s", user="kate", status="failed")
    host.add_run(error_message="TimeoutError: 30 s", status="failed")
    host.add_run(error_message="wrapped: TIMEOUTERROR", status="completed")
    host.add_run(error_message="KeyError", name="TimeoutError", user="kate")
    host.add_run(name="TimeoutError")
    assert manager.triage.with_error(admin, TIMEOUT) == Total(3)
    assert manager.triage.with_error(admin, replace(TIMEOUT, username="kate")) == Total(1)
    assert manager.triage.with_error(admin, replace(TIMEOUT, kind=("failed",))) == Total(2)
    assert manager.triage.with_error(admin, RunFilter(search="30 s")) == Total(2)
    assert manager.triage.with_error(admin, RunFilter(search="%s%")) == Total(0)


def test_it_is_not_asked_where_it_says_nothing(manager: RunManager, admin: Actor) -> None:
    for run_filter in (
        RunFilter(),
        RunFilter(search="ab"),
        RunFilter(search=" ab "),
        RunFilter(search="TimeoutError", error="KeyError"),
        RunFilter(username="kate"),
    ):
        with trying(run_filter):
            assert manager.triage.with_error(admin, run_filter) is None


@pytest.mark.parametrize("shape", ["minimal"], indirect=True)
def test_a_host_that_keeps_no_errors_has_none(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    host.add_run()
    assert manager.triage.with_error(admin, TIMEOUT) is None


def test_where_there_are_too_many_runs_to_look_at_there_are_at_least_those_of_the_newest(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute(
        "INSERT INTO run_metadata (thread_id, created_at, error_message)"
        " SELECT n, timestamptz '2026-01-01' + n * interval '1 minute', 'TimeoutError'"
        " FROM generate_series(1, 3000) n"
    )
    host.execute("ANALYZE run_metadata")
    # Nothing is tried but a few of the newest, and no more of them.
    few = TriageLimits(looked_at=0, looked_through=500, try_seconds=0)
    found = open_manager(triage_limits=few).triage.with_error(admin, TIMEOUT)
    assert found == Total(500, Exactness.AT_LEAST)
    since = replace(TIMEOUT, since=datetime(2026, 1, 3, 1, 51, tzinfo=UTC))
    found = open_manager(triage_limits=few).triage.with_error(admin, since)
    assert found == Total(10)
    longer = replace(few, try_seconds=60)
    found = open_manager(triage_limits=longer).triage.with_error(admin, TIMEOUT)
    assert found == Total(3_000)
