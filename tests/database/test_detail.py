"""One run in full: every column of its row, its parent and its reruns."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from runmanager.errors import InvalidRequestError, RunNotFoundError, UnknownNameError
from runmanager.paging import PageRequest
from runmanager.queries.run import detail
from runmanager.records import Excerpt, JsonText, RunLink, StatusKind
from tests.conftest import every_shape
from tests.hosts import LONG_AGO
from tests.texts import texts, whole
from tests.tried import trying

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
    assert (found.error_message, found.sop) == (whole("boom"), whole("Handle orders"))
    assert found.model == "gpt-x"
    assert found.initial_data == JsonText('{"order": 7}', 12)
    assert found.metadata is not None
    assert json.loads(found.metadata.text) == {"retries": [1, 2]}
    others = texts(found.others)
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
def test_an_id_with_no_row_anywhere_is_not_found(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    host.add_runs(1)
    reviewing = manager.reviewing
    for thread_id in ("nobody", "", "a\0", "\ud800", "9" * 40, "x" * 10_000):
        with trying(thread_id):
            with pytest.raises(RunNotFoundError):
                reviewing.run(admin, thread_id)
            assert all(table.rows == 0 for table in reviewing.footprint(admin, thread_id)[0])
            assert reviewing.checkpoints(admin, thread_id, PageRequest()).total == 0
            assert reviewing.blobs(admin, thread_id, PageRequest()).total == 0


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
    assert found.parent == RunLink(parent, "First", "error", StatusKind.FAILED)
    assert [one.thread_id for one in found.reruns] == [newer, older]
    assert found.reruns[1].title == older
    assert found.reruns_total == 2


def test_a_missing_parent_is_named_as_missing(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    run = host.add_run(parent_thread_id="gone")
    gone = RunLink("gone", "gone", None, StatusKind.UNKNOWN, exists=False)
    assert manager.reviewing.run(admin, run).parent == gone


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


def test_of_a_large_document_the_beginning_is_read(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    run = host.add_run(metadata=json.dumps("é" * 1_500_000, ensure_ascii=False))
    found = manager.reviewing.run(admin, run)
    assert found.metadata is not None
    assert found.metadata.is_cut
    assert (len(found.metadata.text), found.metadata.length) == (1_000_000, 1_500_002)
    assert len(manager.reviewing.whole_text(admin, run, "metadata") or "") == 1_500_002


def test_a_long_text_keeps_its_beginning_and_its_end_and_says_its_length(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute("ALTER TABLE run_metadata ADD notes varchar")
    manager = open_manager()
    text = "Traceback (most recent call last):\n" + "é\n" * 19_192 + "TimeoutError: too slow"
    run = host.add_run(error_message=text, sop=text, notes=text)
    found = manager.reviewing.run(admin, run)
    excerpts = (found.error_message, found.sop, dict(found.others)["notes"])
    assert excerpts == (Excerpt(text[:10_000], text[-10_000:], len(text)),) * 3
    assert excerpts[0].is_cut
    for column in ("error_message", "sop", "notes"):
        assert manager.reviewing.whole_text(admin, run, column) == text


def test_a_text_is_cut_only_where_it_is_longer_than_20_000_characters(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    for length in (0, 1, 19_999, 20_000, 20_001, 20_002):
        with trying(length):
            text = "".join(chr(ord("a") + n % 26) for n in range(length))
            found = manager.reviewing.run(admin, host.add_run(error_message=text)).error_message
            assert found is not None
            assert (found.length, found.is_cut) == (length, length > 20_000)
            shown = text if length <= 20_000 else text[:10_000] + text[-10_000:]
            assert found.head + found.tail == shown


@every_shape
def test_a_column_is_read_whole_only_where_it_is_text_of_the_runs(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute("ALTER TABLE run_metadata ADD raw bytea, ADD cost numeric")
    manager = open_manager()
    run = host.add_run(raw=b"12345", cost="1.50", status=None)
    assert manager.reviewing.whole_text(admin, run, "cost") == "1.50"
    assert manager.reviewing.whole_text(admin, run, "thread_id") == run
    assert manager.reviewing.whole_text(admin, run, "status") is None
    for column in ("raw", "password_hash", "nothing", "", "\0", "\ud800", 'a"b', "x" * 10_000):
        with pytest.raises(UnknownNameError, match="has no column"):
            manager.reviewing.whole_text(admin, run, column)
    for other in (host.new_id(host.shape.thread_id), "\0"):
        with pytest.raises(RunNotFoundError):
            manager.reviewing.whole_text(admin, other, "cost")


def test_a_text_over_50_mb_is_refused_with_its_size(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    run = host.add_run()
    host.execute("UPDATE run_metadata SET error_message = repeat('x', 50000001)")
    with pytest.raises(InvalidRequestError, match="has 50,000,001 bytes"):
        manager.reviewing.whole_text(admin, run, "error_message")
    found = manager.reviewing.run(admin, run).error_message
    assert found is not None
    assert (found.shown, found.length) == (20_000, 50_000_001)


def test_times_shown_as_text_are_in_utc_whatever_the_hosts_zone(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute(f"ALTER DATABASE {host.url.database} SET timezone = 'Asia/Tokyo'")
    host.execute("ALTER TABLE run_metadata ADD seen_at timestamptz")
    found = open_manager().reviewing.run(admin, host.add_run(seen_at=LONG_AGO))
    assert texts(found.others) == {"seen_at": "2025-01-01 12:00:00+00"}


def test_a_completed_at_that_is_no_time_is_shown_as_it_is(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.execute("ALTER TABLE run_metadata ALTER completed_at TYPE text")
    found = open_manager().reviewing.run(admin, host.add_run(completed_at="yesterday"))
    assert found.completed_at is None
    assert texts(found.others) == {"completed_at": "yesterday"}
