"""docs/triage.md: what it says of the address is what the address means."""

from __future__ import annotations

import re
from urllib.parse import parse_qs

import pytest

from pages.parts.columns import COLUMNS
from runmanager.filters import ENTRIES, WITHOUT_KEY, RunFilter, query_problems
from runmanager.sorting import NEWEST_FIRST, SORT_KEY, Sort
from tests.docs.reading import Document

TEXT = Document("docs/triage.md").text
QUERIES = re.findall(r"`(\w+=[^`…]+)`", TEXT)


@pytest.mark.parametrize("query", QUERIES)
def test_an_address_that_is_shown_means_something(query: str) -> None:
    parameters: dict[str, str | list[str]] = dict(parse_qs(query, strict_parsing=True).items())
    for key in parameters:
        assert key in {*ENTRIES, WITHOUT_KEY, SORT_KEY, "columns"}
    assert query_problems(parameters) == ()
    if SORT_KEY in parameters:
        sort, notices = Sort.from_query(parameters)
        assert sort != NEWEST_FIRST
        assert not notices
    elif "columns" in parameters:
        assert set(parameters["columns"][0].split(",")) <= set(COLUMNS)
    else:
        assert RunFilter.from_query(parameters)


def test_every_filter_is_told_of() -> None:
    shown = {key for query in QUERIES for key in parse_qs(query)} | {"workspace", "model"}
    assert set(ENTRIES) <= shown
