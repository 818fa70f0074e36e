"""The whole address of a run's page: for what opens it in another tab."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

import streamlit as st

_PAGE = "run"
_RUN_ID = "id"


def run_url(thread_id: str) -> str:
    """Where the browser finds the page of this run, below whatever path it has reached ours."""
    return url_beside(st.context.url or "", thread_id, is_run_page=_RUN_ID in st.query_params)


def url_beside(here: str, thread_id: str, *, is_run_page: bool) -> str:
    """The address of a run's page, seen from the list or from another run's page at ``here``."""
    parts = urlsplit(here)
    base = parts.path.rstrip("/")
    if is_run_page:
        base = base.removesuffix(f"/{_PAGE}")
    # A relative address would be taken for a host's name, or be lost below a path of its own.
    address = parts._replace(
        path=f"{base}/{_PAGE}", query=f"{_RUN_ID}={quote(thread_id, safe='')}", fragment=""
    )
    return address.geturl()
