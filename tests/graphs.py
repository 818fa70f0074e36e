"""A real graph of LangGraph's, which writes its own rows into a host's database."""

from __future__ import annotations

import operator
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import psycopg
from psycopg.rows import dict_row

with warnings.catch_warnings():
    # LangGraph's imports warn of their own future.
    warnings.simplefilter("ignore")
    from langgraph.checkpoint.postgres import PostgresSaver
    from langgraph.checkpoint.postgres.shallow import ShallowPostgresSaver
    from langgraph.graph import END, START, StateGraph
    from langgraph.types import interrupt

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa

    from tests.hosts import HostWriter


Saver = PostgresSaver | ShallowPostgresSaver


class State(TypedDict, total=False):
    items: Annotated[list[object], operator.add]
    total: int


def fetch(state: State) -> State:
    return {"items": [{"a": 1}], "total": 1}


def work(state: State) -> State:
    return {"items": ["x" * 1000], "total": state["total"] + 1}


def ask(state: State) -> State:
    return {"items": [interrupt("go on?")]}


def run_graph(saver: Saver, thread_id: str) -> None:
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


def open_saver(url: sa.URL) -> psycopg.Connection[dict[str, Any]]:
    address = url.render_as_string(hide_password=False)
    return psycopg.connect(address, autocommit=True, prepare_threshold=0, row_factory=dict_row)


@contextmanager
def saver_of(host: HostWriter, kind: type[Saver] = PostgresSaver) -> Iterator[Saver]:
    """LangGraph's own tables in the place of the host's, and what writes into them."""
    host.execute(
        "DROP TABLE checkpoints, checkpoint_blobs, checkpoint_writes, checkpoint_migrations"
    )
    with open_saver(host.url.set(drivername="postgresql")) as connection:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            saver = kind(connection)
        saver.setup()
        yield saver


@contextmanager
def saver_at(url: sa.URL) -> Iterator[PostgresSaver]:
    """What writes into LangGraph's tables as they are there, for who connects by this address."""
    with open_saver(url.set(drivername="postgresql")) as connection:
        yield PostgresSaver(connection)


def delete_thread(url: sa.URL, thread_id: str) -> None:
    """Let LangGraph itself delete what it has of a run."""
    with open_saver(url.set(drivername="postgresql")) as connection:
        PostgresSaver(connection).delete_thread(thread_id)
