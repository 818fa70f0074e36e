"""Counting all runs on request: exact, for a minute at the most, until it is stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runmanager.errors import CountNotFoundError
from runmanager.filters import RunFilter
from runmanager.records import Actor, CountState, CountView
from runmanager.work import full_counts
from tests.hosts import connect
from tests.operations import until

if TYPE_CHECKING:
    from runmanager.service import RunManager
    from tests.hosts import HostWriter


def ended(manager: RunManager, actor: Actor, count: CountView) -> CountView:
    until(lambda: manager.finding.count(actor, count.count_id).state is not CountState.RUNNING)
    return manager.finding.count(actor, count.count_id)


def is_counting(host: HostWriter) -> bool:
    """Whether a count waits for the table that the test holds."""
    return bool(
        host.execute(
            "SELECT 1 FROM pg_stat_activity WHERE application_name = 'runmanager'"
            " AND wait_event_type = 'Lock' AND query LIKE '%count(*)%'"
        )
    )


def test_every_run_of_the_filter_is_counted(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    for user in ("kate", "kate", "tom"):
        host.add_run(user=user)
    all_runs = ended(manager, admin, manager.finding.start_count(admin, RunFilter()))
    assert (all_runs.state, all_runs.total) == (CountState.FINISHED, 3)
    kates = ended(manager, admin, manager.finding.start_count(admin, RunFilter(username="kate")))
    assert kates.total == 2


def test_a_count_can_be_stopped(host: HostWriter, manager: RunManager, admin: Actor) -> None:
    with connect(host.url) as other, other.transaction():
        other.execute("LOCK TABLE run_metadata")
        count = manager.finding.start_count(admin, RunFilter())
        until(lambda: is_counting(host))
        manager.finding.stop_count(admin, count.count_id)
        stopped = ended(manager, admin, count)
    assert (stopped.state, stopped.total) == (CountState.STOPPED, None)
    again = ended(manager, admin, manager.finding.start_count(admin, RunFilter()))
    assert again.total == 0


def test_a_new_count_takes_the_place_of_the_one_before(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    with connect(host.url) as other, other.transaction():
        other.execute("LOCK TABLE run_metadata")
        first = manager.finding.start_count(admin, RunFilter())
        until(lambda: is_counting(host))
        second = manager.finding.start_count(admin, RunFilter())
        assert ended(manager, admin, first).state is CountState.STOPPED
        assert manager.finding.count(admin, second.count_id).state is CountState.RUNNING
    assert ended(manager, admin, second).total == 0


def test_a_count_that_takes_too_long_fails_and_says_so(
    host: HostWriter, manager: RunManager, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(full_counts, "MAX_SECONDS", 0.1)
    with connect(host.url) as other, other.transaction():
        other.execute("LOCK TABLE run_metadata")
        failed = ended(manager, admin, manager.finding.start_count(admin, RunFilter()))
    assert failed.state is CountState.FAILED
    assert "took too long" in failed.message


def test_a_count_is_its_actor_s_own(host: HostWriter, manager: RunManager, admin: Actor) -> None:
    count = manager.finding.start_count(admin, RunFilter())
    grace = Actor(host.add_user("grace", is_admin=True), "grace")
    with pytest.raises(CountNotFoundError):
        manager.finding.count(grace, count.count_id)
    with pytest.raises(CountNotFoundError):
        manager.finding.stop_count(grace, count.count_id)
    ended(manager, admin, count)
