"""A deletion takes what LangGraph itself would take, and leaves what it would leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.graphs import delete_thread, run_graph, saver_of
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
    manager = open_manager()
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
