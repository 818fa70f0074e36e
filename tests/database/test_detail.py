"""One run in full: every column of its row, its parent and its reruns."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from runmanager.errors import RunNotFoundError
from runmanager.paging import PageRequest
from runmanager.queries.run import detail
from runmanager.records import JsonText, RunLink
from tests.conftest import every_shape
from tests.hosts import LONG_AGO

if TYPE_CHECKING:
    from runmanager.records import Actor
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter


@pytest.mark.parametrize("shape", ["text", "uuid", "integer", "schema"], indirect=True)
def test_every_column_is_shown(host: HostWriter, open_manager: OpenManager, admin: Actor) -> None:
    host.execute("ALTER TABLE run_metadata ADD cost numeric, ADD unused text, ADD raw bytea")
    host.execute("ALTER TABLE run_metadata ADD tags text[], ADD kind char(4)")
    run = host.add_run(
        name="Order 7",
        user="kate",
        workspace="Ops",
        completed_at=LONG_AGO + timedelta(hours=1),
        error_message="boom",
        llm_model="gpt-x",
        sop="Handle orders",
        initial_data='{"order": 7}',
        metadata='{"retries": [1, 2]}',
        cost="1.50",
        raw=b"12345",
        tags=["a", "b"],
        kind="x",
    )
    found = open_manager().reviewing.run(admin, run)
    summary = found.summary
    assert (summary.thread_id, summary.name, summary.status) == (run, "Order 7", "completed")
    assert (summary.created_at, found.completed_at) == (LONG_AGO, LONG_AGO + timedelta(hours=1))
    assert (summary.username, summary.workspace_name) == ("kate", "Ops")
    assert (found.error_message, found.model, found.sop) == ("boom", "gpt-x", "Handle orders")
    assert found.initial_data == JsonText('{"order": 7}', 12)
    assert found.metadata is not None
    assert json.loads(found.metadata.text) == {"retries": [1, 2]}
    others = dict(found.others)
    assert (others["cost"], others["raw"], others["tags"]) == ("1.50", "5 bytes", "{a,b}")
    assert set(others) == {"cost", "raw", "tags", "kind"}
    assert found.has_row


@every_shape
def test_a_bare_run_has_a_detail(host: HostWriter, manager: RunManager, admin: Actor) -> None:
    run = host.add_run(name=None, status=None, created_at=None)
    found = manager.reviewing.run(admin, run)
    assert found.has_row
    assert (found.parent, found.reruns, found.initial_data, found.others) == (None, (), None, ())


@every_shape
@pytest.mark.parametrize("thread_id", ["nobody", "", "a\0", "\ud800", "9" * 40, "x" * 10_000])
def test_an_id_with_no_row_anywhere_is_not_found(
    host: HostWriter, manager: RunManager, admin: Actor, thread_id: str
) -> None:
    host.add_runs(1)
    with pytest.raises(RunNotFoundError):
        manager.reviewing.run(admin, thread_id)
    assert all(table.rows == 0 for table in manager.reviewing.footprint(admin, thread_id)[0])
    assert manager.reviewing.checkpoints(admin, thread_id, PageRequest()).total == 0
    assert manager.reviewing.blobs(admin, thread_id, PageRequest()).total == 0


@pytest.mark.parametrize("shape", ["text", "uuid", "integer", "schema"], indirect=True)
def test_orphans_have_a_detail_that_says_so(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    (orphan,) = host.new_ids(1)
    host.add_traces(orphan)
    found = manager.reviewing.run(admin, orphan)
    assert not found.has_row
    assert found.summary.title == orphan
    assert sum(table.rows for table in manager.reviewing.footprint(admin, orphan)[0]) == 13


@pytest.mark.parametrize("shape", ["text", "uuid", "integer", "schema"], indirect=True)
def test_parent_and_reruns_are_linked(host: HostWriter, manager: RunManager, admin: Actor) -> None:
    parent = host.add_run(name="First", status="error")
    run = host.add_run(parent_thread_id=parent)
    older = host.add_run(parent_thread_id=run, created_at=None, name=None)
    newer = host.add_run(parent_thread_id=run)
    found = manager.reviewing.run(admin, run)
    assert found.parent == RunLink(parent, "First", "error")
    assert [one.thread_id for one in found.reruns] == [newer, older]
    assert found.reruns[1].title == older
    assert found.reruns_total == 2


def test_a_missing_parent_is_named_as_missing(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    run = host.add_run(parent_thread_id="gone")
    assert manager.reviewing.run(admin, run).parent == RunLink("gone", "gone", None, exists=False)


def test_many_reruns_are_counted_and_the_newest_listed(
    host: HostWriter, manager: RunManager, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detail, "MAX_RERUNS", 2)
    run = host.add_run()
    for day in range(4):
        host.add_run(parent_thread_id=run, name=str(day), created_at=LONG_AGO + timedelta(days=day))
    found = manager.reviewing.run(admin, run)
    assert [one.title for one in found.reruns] == ["3", "2"]
    assert found.reruns_total == 4


def test_large_json_and_text_are_cut(host: HostWriter, manager: RunManager, admin: Actor) -> None:
    run = host.add_run(metadata=json.dumps("é" * 1_500_000), error_message="x" * 50_000)
    found = manager.reviewing.run(admin, run)
    assert found.metadata is not None
    assert found.metadata.is_cut
    assert (len(found.metadata.text), found.metadata.length) == (1_000_000, 1_500_002)
    assert found.error_message == "x" * 20_000


def test_times_shown_as_text_are_in_utc_whatever_the_hosts_zone(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute(f"ALTER DATABASE {host.url.database} SET timezone = 'Asia/Tokyo'")
    host.execute("ALTER TABLE run_metadata ADD seen_at timestamptz")
    found = open_manager().reviewing.run(admin, host.add_run(seen_at=LONG_AGO))
    assert dict(found.others) == {"seen_at": "2025-01-01 12:00:00+00"}


def test_a_completed_at_that_is_no_time_is_shown_as_it_is(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute("ALTER TABLE run_metadata ALTER completed_at TYPE text")
    found = open_manager().reviewing.run(admin, host.add_run(completed_at="yesterday"))
    assert found.completed_at is None
    assert dict(found.others) == {"completed_at": "yesterday"}
