"""Pages: asked for in any way, given within bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runmanager.paging import DEFAULT_SIZE, MAX_NUMBER, MAX_SIZE, Page, PageRequest

MANY_DIGITS = "9" * 10_000


@pytest.mark.parametrize(
    ("query", "number", "size", "notices"),
    [
        ({}, 1, 50, 0),
        ({"page": "", "page_size": " "}, 1, 50, 0),
        ({"page": "7", "page_size": "20"}, 7, 20, 0),
        ({"page": " 7 "}, 7, 50, 0),
        ({"page": "0"}, 1, 50, 1),
        ({"page": "-3"}, 1, 50, 1),
        ({"page": "abc"}, 1, 50, 1),
        ({"page": "1.5"}, 1, 50, 1),
        ({"page": "--1"}, 1, 50, 1),
        ({"page": "²"}, 1, 50, 1),
        ({"page": "٣"}, 1, 50, 1),
        ({"page": "9999"}, 9999, 50, 0),
        ({"page": "0" * 5000 + "7"}, 7, 50, 0),
        ({"page": MANY_DIGITS}, MAX_NUMBER, 50, 1),
        ({"page": "-" + MANY_DIGITS}, 1, 50, 1),
        ({"page_size": "0"}, 1, 1, 1),
        ({"page_size": "201"}, 1, 200, 1),
        ({"page_size": "9999"}, 1, 200, 1),
        ({"page_size": "many"}, 1, 50, 1),
        ({"page": "x", "page_size": "x"}, 1, 50, 2),
    ],
)
def test_any_address_gives_the_nearest_page_and_says_what_it_changed(
    query: dict[str, str], number: int, size: int, notices: int
) -> None:
    request, said = PageRequest.from_query(query)
    assert (request.number, request.size) == (number, size)
    assert len(said) == notices
    assert all(MANY_DIGITS not in notice for notice in said)


@pytest.mark.parametrize(
    ("page", "number"),
    [("last", 1), (" last ", 1), ("last-0", 1), ("last-3", 4), ("last-" + "0" * 20 + "3", 4),
     ("last-" + MANY_DIGITS, MAX_NUMBER)],
)  # fmt: skip
def test_an_address_may_count_pages_from_the_end(page: str, number: int) -> None:
    request, said = PageRequest.from_query({"page": page, "page_size": "20"})
    assert (request, said) == (PageRequest(number, 20, from_end=True), ())


@pytest.mark.parametrize("page", ["last-", "last-x", "last--1", "last 3", "Last", "last-٣"])
def test_no_other_word_counts_from_the_end(page: str) -> None:
    request, said = PageRequest.from_query({"page": page})
    assert request == PageRequest()
    assert len(said) == 1


@pytest.mark.parametrize(
    ("request_", "total", "page"),
    [
        (PageRequest(1, 10, from_end=True), 25, PageRequest(3, 10)),
        (PageRequest(3, 10, from_end=True), 25, PageRequest(1, 10)),
        (PageRequest(9, 10, from_end=True), 25, PageRequest(1, 10)),
        (PageRequest(1, 10, from_end=True), 0, PageRequest(1, 10)),
        (PageRequest(9, 10), 25, PageRequest(3, 10)),
    ],
)
def test_within_a_known_total_a_page_has_its_number_from_the_start(
    request_: PageRequest, total: int, page: PageRequest
) -> None:
    assert request_.within(total) == page


def test_pages_turn_the_same_way_from_either_end() -> None:
    assert PageRequest(3, 10).turned(1) == PageRequest(4, 10)
    assert PageRequest(3, 10, from_end=True).turned(1) == PageRequest(2, 10, from_end=True)
    assert PageRequest(3, 10, from_end=True).turned(-1) == PageRequest(4, 10, from_end=True)
    assert PageRequest(1, 10).turned(-1) == PageRequest(1, 10)


@given(st.text(), st.text())
def test_no_address_gives_a_page_out_of_bounds(page: str, size: str) -> None:
    request, _notices = PageRequest.from_query({"page": page, "page_size": size})
    assert 1 <= request.number <= MAX_NUMBER
    assert 1 <= request.size <= MAX_SIZE


@given(st.integers(1, MAX_NUMBER), st.integers(1, MAX_SIZE), st.booleans())
def test_a_page_survives_the_address_bar(number: int, size: int, from_end: bool) -> None:
    request = PageRequest(number, size, from_end)
    assert PageRequest.from_query(request.to_query()) == (request, ())


def test_defaults_stay_out_of_the_address() -> None:
    assert PageRequest(1, DEFAULT_SIZE).to_query() == {}


@pytest.mark.parametrize(
    ("total", "size", "pages"), [(0, 10, 1), (1, 10, 1), (10, 10, 1), (11, 10, 2), (20, 10, 2)]
)
def test_the_last_page_is_counted_exactly(total: int, size: int, pages: int) -> None:
    assert Page((), total, 1, size).pages == pages


@given(st.integers(0, 500), st.integers(1, 50), st.integers(1, 40))
def test_row_positions_tile_the_list(total: int, size: int, number: int) -> None:
    rows = range(total)[(number - 1) * size : number * size]
    page = Page(tuple(rows), total, number, size)
    if rows:
        assert (page.first_row, page.last_row) == (rows[0] + 1, rows[-1] + 1)
    else:
        assert (page.first_row, page.last_row) == (0, 0)
