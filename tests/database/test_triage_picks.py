"""Runs that were picked by their ids: which of them a filter hides, and what they are like."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runmanager.errors import InvalidRequestError, NotAdminError
from runmanager.filters import RunFilter
from runmanager.records import Actor
from tests.conftest import every_shape
from tests.hosts import LONG_AGO
from tests.tried import trying

if TYPE_CHECKING:
    from runmanager.service import RunManager
    from tests.hosts import HostWriter

ALL = RunFilter()


@every_shape
def test_what_the_filter_does_not_show_is_hidden_and_so_is_what_is_gone(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    failed = host.add_run(status="failed", user="kate", name="Order 7")
    other = host.add_run(status="completed", user="kate")
    gone = host.new_id(host.shape.thread_id)
    picked = (gone, other, failed)
    assert manager.triage.hidden(admin, ALL, picked) == (gone,)
    assert manager.triage.hidden(admin, RunFilter(status=("failed",)), picked) == (gone, other)
    asked = RunFilter(search="order 7", username="kate", kind=("failed",))
    assert manager.triage.hidden(admin, asked, picked) == (gone, other)
    assert manager.triage.hidden(admin, RunFilter(username="nobody"), picked) == picked
    assert manager.triage.hidden(admin, ALL, ()) == ()


def test_a_relative_time_means_now_when_it_is_asked_what_is_hidden(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    new = host.add_run(created_at=datetime.now(UTC) - timedelta(minutes=5))
    old = host.add_run(created_at=datetime.now(UTC) - timedelta(minutes=55))
    asked = RunFilter(since=timedelta(minutes=30))
    assert manager.triage.hidden(admin, asked, (new, old)) == (old,)


@every_shape
def test_what_is_no_id_is_hidden_and_has_no_run(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    run = host.add_run()
    for odd in ("", "a\0b", "\ud800", "x" * 10_000, "'; DROP TABLE users; --"):
        with trying(odd):
            assert manager.triage.hidden(admin, ALL, (odd, run)) == (odd,)
            assert [one.thread_id for one in manager.triage.summaries(admin, (odd, run))] == [run]


@given(
    days=st.lists(st.none() | st.integers(0, 3), max_size=12),
    data=st.data(),
)
def test_summaries_are_those_of_the_list_in_its_order(
    host: HostWriter, manager: RunManager, days: list[int | None], data: st.DataObject
) -> None:
    host.execute("TRUNCATE run_metadata")
    for day in days:
        time = None if day is None else LONG_AGO + timedelta(days=day)
        host.add_run(created_at=time, user="kate", workspace="Ops", completed_at=LONG_AGO)
    listed = manager.triage.summaries(
        host.admin, [run for (run,) in host.execute("SELECT thread_id FROM run_metadata")]
    )
    plain = host.execute(
        "SELECT thread_id FROM run_metadata ORDER BY created_at DESC NULLS LAST, thread_id DESC"
    )
    assert [one.thread_id for one in listed] == [run for (run,) in plain]
    assert {(one.username, one.workspace_name) for one in listed} <= {("kate", "Ops")}
    picked = data.draw(st.lists(st.sampled_from(listed), unique=True) if listed else st.just([]))
    again = manager.triage.summaries(host.admin, [one.thread_id for one in picked])
    assert list(again) == [one for one in listed if one in picked]


def test_ten_thousand_can_be_picked_and_no_more(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    host.execute(
        "INSERT INTO run_metadata (thread_id) SELECT 'run-' || n FROM generate_series(1, 10000) n"
    )
    picked = [f"run-{number}" for number in range(1, 10_001)]
    assert manager.triage.hidden(admin, ALL, picked) == ()
    assert len(manager.triage.summaries(admin, picked)) == 10_000
    for call in (
        lambda: manager.triage.hidden(admin, ALL, [*picked, "run-0"]),
        lambda: manager.triage.summaries(admin, [*picked, "run-0"]),
    ):
        with pytest.raises(InvalidRequestError, match="10,001 runs"):
            call()


def test_only_an_admin_is_answered(host: HostWriter, manager: RunManager) -> None:
    run = host.add_run(error_message="TimeoutError")
    kate = Actor(host.add_user("kate"), "kate")
    for call in (
        lambda: manager.triage.statuses(kate, ALL),
        lambda: manager.triage.histogram(kate, ALL),
        lambda: manager.triage.with_error(kate, RunFilter(search="TimeoutError")),
        lambda: manager.triage.hidden(kate, ALL, [run]),
        lambda: manager.triage.summaries(kate, [run]),
    ):
        with pytest.raises(NotAdminError):
            call()
