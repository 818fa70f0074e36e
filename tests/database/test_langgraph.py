"""What LangGraph itself has written is looked over, and deleted as it would delete it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.postgres.shallow import ShallowPostgresSaver

from runmanager.paging import PageRequest
from tests.graphs import Saver, delete_thread, run_graph, saver_of
from tests.hosts import LANGGRAPH_TABLES, connect
from tests.operations import delete

if TYPE_CHECKING:
    from runmanager.records import Actor
    from tests.conftest import OpenManager, Server
    from tests.hosts import HostWriter


def test_nothing_more_is_left_than_langgraph_itself_would_leave(
    host: HostWriter, server: Server, open_manager: OpenManager, admin: Actor
) -> None:
    with saver_of(host) as saver:
        for thread_id in ("one", "two"):
            host.add_run(thread_id)
            run_graph(saver, thread_id)
    host.connection.close()
    copy = server.clone(str(host.url.database))
    delete_thread(server.url(copy, host.shape), "one")
    manager = open_manager(active_minutes=0)
    plan = manager.deleting.plan(admin, ["one"])
    receipt = delete(manager, admin, [], plan=plan)
    assert {table.table: table.rows for table in plan.tables} == dict(receipt.tables)
    with connect(host.url) as here, connect(server.url(copy, host.shape)) as there:
        for table in (*LANGGRAPH_TABLES, "checkpoint_migrations"):
            statement = f"SELECT t::text FROM {table} t ORDER BY 1"  # noqa: S608
            left = here.execute(statement).fetchall()
            assert left == there.execute(statement).fetchall()
            assert left
        gone = "SELECT count(*) FROM run_metadata WHERE thread_id = 'one'"
        assert here.execute(gone).fetchone() == (0,)
    server.drop(copy)


@pytest.mark.parametrize("kind", [PostgresSaver, ShallowPostgresSaver])
def test_what_a_saver_has_kept_of_a_graph_is_listed_opened_and_deleted(
    host: HostWriter, open_manager: OpenManager, admin: Actor, kind: type[Saver]
) -> None:
    with saver_of(host, kind) as saver:
        for thread_id in ("one", "two"):
            host.add_run(thread_id)
            run_graph(saver, thread_id)
        # What LangGraph's own list says of them; it has no order over several namespaces.
        own = {
            (one.config["configurable"]["checkpoint_ns"], one.checkpoint["id"]): one
            for one in saver.list({"configurable": {"thread_id": "one"}})
        }
    manager = open_manager(active_minutes=0)
    page = manager.reviewing.checkpoints(admin, "one", PageRequest(1, 200))
    assert page.total == len(own) == host.count("checkpoints", "one") > 1
    assert {(one.namespace, one.checkpoint_id) for one in page.items} == set(own)
    ids = [one.checkpoint_id or "" for one in page.items]
    assert ids == sorted(ids, reverse=True)
    for one in page.items:
        theirs = own[one.namespace, one.checkpoint_id or ""]
        assert (one.time, one.step, one.source) == (
            theirs.checkpoint["ts"], str(theirs.metadata["step"]), theirs.metadata["source"],
        )  # fmt: skip
        opened = manager.reviewing.checkpoint(admin, "one", one.namespace, one.key)
        assert opened.summary == one
        assert opened.state
        assert json.loads(opened.state.text)["id"] == one.checkpoint_id
        written = [(write.task_id, write.channel) for write in opened.writes]
        pending = theirs.pending_writes or []
        assert sorted(written) == sorted((task, channel) for task, channel, _value in pending)
        assert one.writes == len(written)
    assert any(one.writes for one in page.items)
    blobs = manager.reviewing.blobs(admin, "one", PageRequest(1, 200)).items
    assert sorted((one.channel, one.namespace, one.type, one.bytes) for one in blobs) == sorted(
        host.execute(
            "SELECT channel, checkpoint_ns, type, coalesce(octet_length(blob), 0)"
            " FROM checkpoint_blobs WHERE thread_id = 'one'"
        )
    )
    assert all((one.version is None) == (kind is ShallowPostgresSaver) for one in blobs)

    before = {name: host.count(name, "one") for name in LANGGRAPH_TABLES}
    stays = host.contents(without=["one"])
    plan = manager.deleting.plan(admin, ["one"])
    receipt = delete(manager, admin, [], plan=plan)
    planned = {table.table: table.rows for table in plan.tables}
    assert planned == dict(receipt.tables)
    assert {name: planned[name] for name in LANGGRAPH_TABLES} == before
    assert host.contents() == stays
