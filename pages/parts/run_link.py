"""The whole address of a run's page: for what opens it in another tab."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import streamlit as st

from pages.parts.address import RUN_ID

if TYPE_CHECKING:
    from collections.abc import Iterable

_PAGE = "run"


def run_urls(thread_ids: Iterable[str]) -> list[str]:
    """Where the browser finds the pages of these runs, below whatever path it has reached ours."""
    here, is_run_page = st.context.url or "", RUN_ID in st.query_params
    return urls_beside(here, thread_ids, is_run_page=is_run_page)


def urls_beside(here: str, thread_ids: Iterable[str], *, is_run_page: bool) -> list[str]:
    """The addresses of runs' pages, seen from the list or from another run's page at ``here``."""
    parts = urlsplit(here)
    base = parts.path.rstrip("/")
    if is_run_page:
        base = base.removesuffix(f"/{_PAGE}")
    # A relative address would be taken for a host's name, or be lost below a path of its own.
    page = parts._replace(path=f"{base}/{_PAGE}", query="", fragment="").geturl()
    return [f"{page}?{RUN_ID}={quote(thread_id, safe='')}" for thread_id in thread_ids]
