"""LangGraph's own rows: a real graph writes them, Run Manager lists and deletes them."""

from __future__ import annotations

import operator
import warnings
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import psycopg
import pytest
from psycopg.rows import dict_row

from runmanager.errors import RunNotFoundError
from runmanager.paging import PageRequest
from tests.hosts import LANGGRAPH_TABLES, connect
from tests.operations import delete

with warnings.catch_warnings():
    # LangGraph's imports warn of their own future.
    warnings.simplefilter("ignore")
    from langgraph.checkpoint.postgres import PostgresSaver
    from langgraph.graph import END, START, StateGraph
    from langgraph.types import interrupt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runmanager.records import Actor, CheckpointSummary
    from runmanager.service import RunManager
    from tests.conftest import OpenManager, Server
    from tests.hosts import HostWriter


class State(TypedDict, total=False):
    items: Annotated[list[object], operator.add]
    total: int


def fetch(state: State) -> State:
    return {"items": [{"a": 1}], "total": 1}


def work(state: State) -> State:
    return {"items": ["x" * 1000], "total": state["total"] + 1}


def ask(state: State) -> State:
    return {"items": [interrupt("go on?")]}


def run_graph(saver: PostgresSaver, thread_id: str) -> None:
    """Run fetch, then work with a graph of its own inside, then stop at a question."""
    inner: StateGraph[State] = StateGraph(State)
    inner.add_node("inner_work", work)
    inner.add_edge(START, "inner_work")
    graph: StateGraph[State] = StateGraph(State)
    graph.add_node("fetch", fetch)
    graph.add_node("work", inner.compile())
    graph.add_node("ask", ask)
    graph.add_edge(START, "fetch")
    graph.add_edge("fetch", "work")
    graph.add_edge("work", "ask")
    graph.add_edge("ask", END)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        app = graph.compile(checkpointer=saver)
        app.invoke({"items": [], "total": 0}, {"configurable": {"thread_id": thread_id}})


@pytest.fixture
def saver(host: HostWriter) -> Iterator[PostgresSaver]:
    host.execute(
        "DROP TABLE checkpoints, checkpoint_blobs, checkpoint_writes, checkpoint_migrations"
    )
    with open_saver(host.url.set(drivername="postgresql")) as connection:
        saver = PostgresSaver(connection)
        saver.setup()
        yield saver


def open_saver(url: Any) -> psycopg.Connection[dict[str, Any]]:
    address = url.render_as_string(hide_password=False)
    return psycopg.connect(address, autocommit=True, prepare_threshold=0, row_factory=dict_row)


@pytest.fixture
def graph_manager(host: HostWriter, saver: PostgresSaver, open_manager: OpenManager) -> RunManager:
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
    assert all(one.stored_bytes > 0 for one in found)
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
        opened = graph_manager.reviewing.checkpoint(
            admin, "one", summary.namespace, summary.checkpoint_id
        )
        assert opened.summary == summary
        assert '"channel_versions"' in opened.state.text
        assert f'"step": {summary.step}' in opened.metadata.text
        assert len(opened.writes) == summary.writes
        assert all(write.bytes >= 0 and write.type for write in opened.writes)
    last = next(one for one in timeline(graph_manager, admin) if one.namespace == "")
    opened = graph_manager.reviewing.checkpoint(admin, "one", "", last.checkpoint_id)
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
    checkpoint_id = checkpoint_id or timeline(graph_manager, admin)[0].checkpoint_id
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


def test_nothing_more_is_left_than_langgraph_itself_would_leave(
    host: HostWriter, server: Server, saver: PostgresSaver, open_manager: OpenManager, admin: Actor
) -> None:
    for thread_id in ("one", "two"):
        host.add_run(thread_id)
        run_graph(saver, thread_id)
    saver.conn.close()
    host.connection.close()
    copy = server.clone(str(host.url.database))
    with open_saver(server.url(copy, host.shape).set(drivername="postgresql")) as connection:
        PostgresSaver(connection).delete_thread("one")
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
