"""Checkpoints and stored values, as LangGraph wrote them: measured, opened, never decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runmanager.errors import RunNotFoundError
from runmanager.paging import PageRequest
from runmanager.queries.run import checkpoints
from tests.graphs import run_graph, saver_of

if TYPE_CHECKING:
    from runmanager.records import Actor, CheckpointSummary
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter


@pytest.fixture
def graph_manager(host: HostWriter, open_manager: OpenManager) -> RunManager:
    with saver_of(host) as saver:
        for thread_id in ("one", "two"):
            host.add_run(thread_id)
            run_graph(saver, thread_id)
    return open_manager()


def timeline(manager: RunManager, admin: Actor) -> list[CheckpointSummary]:
    return list(manager.reviewing.checkpoints(admin, "one", PageRequest()).items)


def test_the_timeline_tells_what_the_graph_did(
    graph_manager: RunManager, admin: Actor, host: HostWriter
) -> None:
    found = [one for one in timeline(graph_manager, admin) if one.namespace == ""]
    assert [(one.step, one.source) for one in found] == [
        ("2", "loop"), ("1", "loop"), ("0", "loop"), ("-1", "input"),
    ]  # fmt: skip
    assert [one.nodes for one in found] == [("work",), ("fetch",), ("__start__",), ()]
    assert all(one.time and one.time.startswith("20") for one in found)
    assert [one.parent_id for one in found[:-1]] == [one.checkpoint_id for one in found[1:]]
    assert found[-1].parent_id is None
    assert all(one.stored_bytes for one in found)
    for one in found:
        ((writes,),) = host.execute(
            "SELECT count(*) FROM checkpoint_writes WHERE thread_id = 'one'"
            " AND checkpoint_ns = '' AND checkpoint_id = %s",
            one.checkpoint_id,
        )
        assert one.writes == writes


def test_a_graph_inside_the_graph_has_its_own_namespace(
    graph_manager: RunManager, admin: Actor
) -> None:
    inner = [one for one in timeline(graph_manager, admin) if one.namespace]
    assert inner
    assert all(one.namespace.startswith("work:") for one in inner)
    assert ("inner_work",) in {one.nodes for one in inner}


def test_every_checkpoint_opens_without_its_content_being_decoded(
    graph_manager: RunManager, admin: Actor
) -> None:
    for summary in timeline(graph_manager, admin):
        opened = graph_manager.reviewing.checkpoint(admin, "one", summary.namespace, summary.key)
        assert opened.summary == summary
        assert opened.state
        assert opened.metadata
        assert '"channel_versions"' in opened.state.text
        assert f'"step": {summary.step}' in opened.metadata.text
        assert len(opened.writes) == summary.writes
        assert all(write.bytes is not None and write.type for write in opened.writes)
    last = next(one for one in timeline(graph_manager, admin) if one.namespace == "")
    opened = graph_manager.reviewing.checkpoint(admin, "one", "", last.key)
    assert [(write.channel, write.node) for write in opened.writes] == [("__interrupt__", "ask")]


@pytest.mark.parametrize(
    ("thread_id", "namespace", "checkpoint_id"),
    [
        ("one", "", "gone"),
        ("gone", "", ""),
        ("one", "nowhere", ""),
        ("one", "", "\0"),
        ("\0", "", ""),
    ],
)
def test_a_checkpoint_that_is_gone_is_not_found(
    graph_manager: RunManager, admin: Actor, thread_id: str, namespace: str, checkpoint_id: str
) -> None:
    checkpoint_id = checkpoint_id or timeline(graph_manager, admin)[0].key
    with pytest.raises(RunNotFoundError):
        graph_manager.reviewing.checkpoint(admin, thread_id, namespace, checkpoint_id)


def test_blobs_are_measured(graph_manager: RunManager, admin: Actor, host: HostWriter) -> None:
    page = graph_manager.reviewing.blobs(admin, "one", PageRequest(1, 200))
    expected = host.execute(
        "SELECT channel, checkpoint_ns, version, type, coalesce(octet_length(blob), 0)"
        " FROM checkpoint_blobs WHERE thread_id = 'one'"
    )
    assert page.total == len(expected) > 0
    found = [(one.channel, one.namespace, one.version, one.type, one.bytes) for one in page.items]
    assert sorted(found) == sorted(expected)


def test_checkpoints_and_blobs_are_paged(graph_manager: RunManager, admin: Actor) -> None:
    everything = timeline(graph_manager, admin)
    pages = [
        graph_manager.reviewing.checkpoints(admin, "one", PageRequest(number, 2)).items
        for number in range(1, -(-len(everything) // 2) + 1)
    ]
    assert [one for page in pages for one in page] == everything
    past = graph_manager.reviewing.checkpoints(admin, "one", PageRequest(99, 2))
    assert past.items == pages[-1]
    assert graph_manager.reviewing.blobs(admin, "one", PageRequest(99, 2)).items


@pytest.mark.parametrize("is_partitioned", [False, True])
def test_pages_have_every_row_once_where_a_table_has_lost_its_key(
    host: HostWriter, open_manager: OpenManager, admin: Actor, is_partitioned: bool
) -> None:
    for table in ("checkpoints", "checkpoint_blobs"):
        host.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey")
        if is_partitioned:
            host.execute(
                f"ALTER TABLE {table} RENAME TO {table}_1;"
                f"CREATE TABLE {table} (LIKE {table}_1 INCLUDING ALL) PARTITION BY LIST (type);"
                f"ALTER TABLE {table}_1 ALTER type DROP NOT NULL;"
                f"ALTER TABLE {table} ALTER type DROP NOT NULL;"
                f"ALTER TABLE {table} ATTACH PARTITION {table}_1 DEFAULT"
            )
    host.execute(
        "INSERT INTO checkpoints (thread_id, checkpoint_id, parent_checkpoint_id, checkpoint)"
        " SELECT 'r', 'c', n, '{}' FROM generate_series(1, 200) n;"
        "INSERT INTO checkpoint_blobs (thread_id, channel, version, type)"
        " SELECT 'r', 'state', '1', 't' || n FROM generate_series(1, 200) n"
    )
    manager = open_manager()
    pages = [PageRequest(number, 20) for number in range(1, 11)]
    checkpoints = [one for p in pages for one in manager.reviewing.checkpoints(admin, "r", p).items]
    blobs = [one for page in pages for one in manager.reviewing.blobs(admin, "r", page).items]
    assert len({one.parent_id for one in checkpoints}) == 200
    assert len({one.type for one in blobs}) == 200
    assert manager.reviewing.checkpoint(admin, "r", "", "c").summary.checkpoint_id == "c"


def test_tables_of_an_older_langgraph_are_read_without_the_columns_they_lack(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    host.add_traces("r", checkpoints=2, writes=2, blobs=1)
    host.execute(
        "ALTER TABLE checkpoints DROP checkpoint_ns CASCADE, DROP parent_checkpoint_id;"
        "ALTER TABLE checkpoint_writes DROP checkpoint_ns CASCADE, DROP task_path;"
        "ALTER TABLE checkpoint_blobs DROP checkpoint_ns CASCADE"
    )
    manager = open_manager()
    newest, oldest = manager.reviewing.checkpoints(admin, "r", PageRequest()).items
    assert (newest.checkpoint_id, newest.namespace, newest.parent_id) == ("c2", "", None)
    assert (oldest.checkpoint_id, oldest.writes, oldest.nodes) == ("c1", 2, ())
    opened = manager.reviewing.checkpoint(admin, "r", "", "c1")
    assert [write.index for write in opened.writes] == [1, 2]
    (blob,) = manager.reviewing.blobs(admin, "r", PageRequest()).items
    assert (blob.namespace, blob.bytes) == ("", 6)


@pytest.mark.parametrize("table", ["checkpoints", "checkpoint_writes"])
def test_writes_belong_to_a_checkpoint_by_its_id_where_one_table_has_no_namespaces(
    host: HostWriter, open_manager: OpenManager, admin: Actor, table: str
) -> None:
    host.add_traces("r", checkpoints=1, writes=2)
    host.execute(
        "UPDATE checkpoints SET checkpoint_ns = 'inner';"
        "UPDATE checkpoint_writes SET checkpoint_ns = 'inner'"
    )
    host.execute(f"ALTER TABLE {table} DROP checkpoint_ns CASCADE")
    manager = open_manager()
    (one,) = manager.reviewing.checkpoints(admin, "r", PageRequest()).items
    assert one.writes == 2
    assert len(manager.reviewing.checkpoint(admin, "r", one.namespace, one.key).writes) == 2


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ('{"ts": "2025", "text": "\\ud83e\\udd9c"}', "2025"),
        ('{"ts": "2025", "text": "\\u0000"}', None),
        ('{"ts": "2025", "text": "\\ud83e"}', None),
        ('{"ts": "2025", "text": "\\udd9c"}', None),
    ],
    ids=["a pair", "a NUL", "half a pair", "the other half"],
)
def test_a_json_that_postgresql_cannot_take_apart_is_shown_whole_without_its_facts(
    host: HostWriter, open_manager: OpenManager, admin: Actor, text: str, known: str | None
) -> None:
    host.execute("ALTER TABLE checkpoints ALTER checkpoint TYPE json, ALTER metadata DROP DEFAULT")
    host.execute("ALTER TABLE checkpoints ALTER metadata TYPE json")
    host.execute(
        "INSERT INTO checkpoints (thread_id, checkpoint_id, checkpoint, metadata)"
        " VALUES ('r', 'c', %s, %s)",
        text,
        text.replace("ts", "step"),
    )
    manager = open_manager()
    (one,) = manager.reviewing.checkpoints(admin, "r", PageRequest()).items
    assert (one.time, one.step) == (known, known)
    opened = manager.reviewing.checkpoint(admin, "r", "", "c")
    assert opened.state
    assert opened.state.text == text


def test_of_many_writes_the_first_are_opened_and_all_are_counted(
    host: HostWriter, manager: RunManager, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "MAX_WRITES", 3)
    host.add_traces("r", checkpoints=1, writes=12)
    opened = manager.reviewing.checkpoint(admin, "r", "", "c1")
    assert [write.index for write in opened.writes] == [1, 2, 3]
    assert opened.summary.writes == 12


@pytest.mark.parametrize("shape", ["minimal"], indirect=True)
def test_a_host_without_langgraphs_tables_has_no_checkpoints(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    run = host.add_run()
    assert manager.reviewing.checkpoints(admin, run, PageRequest()).items == ()
    assert manager.reviewing.blobs(admin, run, PageRequest()).items == ()
    with pytest.raises(RunNotFoundError):
        manager.reviewing.checkpoint(admin, run, "", "c1")
