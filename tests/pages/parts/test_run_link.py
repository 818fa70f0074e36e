"""The whole address of a run's page."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pages.parts.run_link import urls_beside


@pytest.mark.parametrize(
    ("here", "is_run_page", "address"),
    [
        ("http://localhost:8501", False, "http://localhost:8501/run?id=r1"),
        ("http://localhost:8501/", False, "http://localhost:8501/run?id=r1"),
        ("https://x.example/tools/rm", False, "https://x.example/tools/rm/run?id=r1"),
        ("https://x.example/tools/rm/", False, "https://x.example/tools/rm/run?id=r1"),
        ("https://x.example/tools/rm/run", True, "https://x.example/tools/rm/run?id=r1"),
        ("https://x.example/run/run", True, "https://x.example/run/run?id=r1"),
        ("https://x.example/run/?id=r0#a", False, "https://x.example/run/run?id=r1"),
        ("", False, "/run?id=r1"),
    ],
)
def test_a_run_is_below_the_path_of_the_list(here: str, is_run_page: bool, address: str) -> None:
    assert urls_beside(here, ["r1"], is_run_page=is_run_page) == [address]


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_an_id_of_any_letters_comes_back_from_its_address(thread_id: str) -> None:
    (url,) = urls_beside("http://localhost:8501/", [thread_id], is_run_page=False)
    parts = urlsplit(url)
    assert (parts.netloc, parts.path, parts.fragment) == ("localhost:8501", "/run", "")
    assert parse_qs(parts.query, keep_blank_values=True) == {"id": [thread_id]}
