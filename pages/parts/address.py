"""The view in the address bar: filter, page and page size, so that a link shows the same rows."""

from __future__ import annotations

from dataclasses import dataclass, field

import streamlit as st

from runmanager.filters import RunFilter
from runmanager.paging import PageRequest


@dataclass(frozen=True)
class View:
    """What the runs page shows, and what was wrong with the address that asked for it."""

    run_filter: RunFilter
    request: PageRequest
    notices: tuple[str, ...] = field(default=(), compare=False)

    def to_query(self) -> dict[str, str]:
        """The query parameters of this view."""
        return self.run_filter.to_query() | self.request.to_query()


def read_view() -> View:
    """The nearest valid view to what the address asks for."""
    query = st.query_params.to_dict()
    request, notices = PageRequest.from_query(query)
    return View(RunFilter.from_query(query), request, notices)


def write_view(view: View) -> None:
    """Make the address ask for exactly ``view``."""
    query = view.to_query()
    if st.query_params.to_dict() != query:
        st.query_params.from_dict(query)


def from_query(query: dict[str, str]) -> View:
    """The view of a query string that was kept, without notices."""
    return View(RunFilter.from_query(query), PageRequest.from_query(query)[0])
