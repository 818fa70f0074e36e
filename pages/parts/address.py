"""The view in the address bar: filter, order, page and its size: a link shows the same rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn

import streamlit as st

from pages.parts import session
from runmanager.entries import texts_of
from runmanager.filters import RunFilter, query_problems
from runmanager.paging import PageRequest
from runmanager.sorting import NEWEST_FIRST, Sort

RUN_ID = "id"
OPERATION_ID = "operation"
COLUMNS_KEY = "columns"


@dataclass(frozen=True)
class View:
    """What the runs page shows, and what was wrong with the address that asked for it.

    ``columns`` are words of the address, none where it leaves them to the admin's own choice.
    """

    run_filter: RunFilter
    request: PageRequest
    sort: Sort = NEWEST_FIRST
    columns: tuple[str, ...] = ()
    notices: tuple[str, ...] = field(default=(), compare=False)

    def to_query(self) -> dict[str, str | list[str]]:
        """The query parameters of this view."""
        columns = {COLUMNS_KEY: ",".join(self.columns)} if self.columns else {}
        listed = self.sort.to_query() | self.request.to_query()
        return self.run_filter.to_query() | listed | columns


@dataclass
class _Held:
    """The query of the list, as it was read or written last."""

    query: dict[str, str | list[str]] = field(default_factory=dict)


@dataclass
class _HeldOperations(_Held):
    """The same of the list of operations."""


def list_query() -> dict[str, str | list[str]]:
    """The query parameters that lead back to the list as it was left."""
    return session.slot(_Held).query


def operations_query() -> dict[str, str | list[str]]:
    """The query parameters that lead back to the list of operations as it was left."""
    return session.slot(_HeldOperations).query


def read_operations() -> dict[str, str | list[str]]:
    """What the address asks the list of operations for."""
    return _present(session.slot(_HeldOperations))


def write_operations(query: dict[str, str | list[str]]) -> None:
    """Make the address ask for exactly that."""
    if _in_the_address() != query:
        _ask_for(query, session.slot(_HeldOperations))


def read_view() -> View:
    """The nearest valid view to what the address asks for."""
    query = _present(session.slot(_Held))
    request, notices = PageRequest.from_query(query)
    sort, more = Sort.from_query(query)
    problems = [f"“{one.key}” in the address: {one.sentence}" for one in query_problems(query)]
    words = tuple(filter(None, ",".join(texts_of(query, COLUMNS_KEY)).split(",")))
    run_filter = RunFilter.from_query(query)
    return View(run_filter, request, sort, words, (*notices, *more, *problems))


def write_view(view: View) -> None:
    """Make the address ask for exactly ``view``."""
    query = view.to_query()
    if _in_the_address() != query:
        _ask_for(query, session.slot(_Held))


def open_run(thread_id: str) -> NoReturn:
    """Go to the page of a run, in this tab; the way back leads to the view that was left."""
    st.switch_page("run.py", query_params={RUN_ID: thread_id})


def opened_run() -> str:
    """The thread_id that the run page's address names, "" where it names none."""
    return st.query_params.get(RUN_ID, "")


def open_operation(operation_id: str) -> NoReturn:
    """Go to the page of an operation, in this tab."""
    st.switch_page("operations.py", query_params={OPERATION_ID: operation_id})


def opened_operation() -> str:
    """The operation that the address names, "" where it names none."""
    return st.query_params.get(OPERATION_ID, "")


def _present(held: _Held) -> dict[str, str | list[str]]:
    """The query of a list.

    The browser sends with each click what stands in its address. Of two quick clicks the second is
    sent before the browser hears what the first did to the address: what it sends would undo that.
    A new address by Back, a link or typing draws the whole page, never a part of it alone.
    """
    if not session.is_run_of_a_part():
        query = _in_the_address()
        if RUN_ID in query or OPERATION_ID in query:
            # The browser's Back from another page keeps its query: the list's own was kept aside.
            _ask_for(held.query, held)
        else:
            held.query = query
    return held.query


def _ask_for(query: dict[str, str | list[str]], held: _Held) -> None:
    held.query = query
    st.query_params.from_dict(query)


def _in_the_address() -> dict[str, str | list[str]]:
    """The address's query; a parameter that is given more than once has all its values."""
    query: dict[str, str | list[str]] = {}
    for key in st.query_params:
        texts = st.query_params.get_all(key)
        query[key] = texts[0] if len(texts) == 1 else texts
    return query
