"""The view in the address bar: filter, page and page size, so that a link shows the same rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn

import streamlit as st

from pages.parts import session
from runmanager.filters import RunFilter, query_problems
from runmanager.paging import PageRequest

RUN_ID = "id"


@dataclass(frozen=True)
class View:
    """What the runs page shows, and what was wrong with the address that asked for it."""

    run_filter: RunFilter
    request: PageRequest
    notices: tuple[str, ...] = field(default=(), compare=False)

    def to_query(self) -> dict[str, str]:
        """The query parameters of this view."""
        return self.run_filter.to_query() | self.request.to_query()


@dataclass
class _Left:
    """The query of the list when a run was opened from it."""

    list_query: dict[str, str] = field(default_factory=dict)


def list_query() -> dict[str, str]:
    """The query parameters that lead back to the list as it was left."""
    return session.slot(_Left).list_query


def read_view() -> View:
    """The nearest valid view to what the address asks for."""
    query = st.query_params.to_dict()
    if RUN_ID in query:
        # The browser's Back from a run keeps that run's query: the list's own was kept aside.
        query = list_query()
        st.query_params.from_dict(query)
    request, notices = PageRequest.from_query(query)
    return View(RunFilter.from_query(query), request, (*notices, *query_problems(query)))


def write_view(view: View) -> None:
    """Make the address ask for exactly ``view``."""
    query = view.to_query()
    if st.query_params.to_dict() != query:
        st.query_params.from_dict(query)


def open_run(thread_id: str) -> NoReturn:
    """Go to the page of a run, in this tab; the way back leads to the view that was left."""
    if RUN_ID not in st.query_params:
        session.slot(_Left).list_query = st.query_params.to_dict()
    st.switch_page("run.py", query_params={RUN_ID: thread_id})


def opened_run() -> str:
    """The thread_id that the run page's address names, "" where it names none."""
    return st.query_params.get(RUN_ID, "")
