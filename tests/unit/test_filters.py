"""RunFilter: to and from a query string, and to an English sentence."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runmanager.filters import MAX_SEARCH, RunFilter
from runmanager.text import shorten

names = st.none() | st.text(min_size=1, max_size=50)


@st.composite
def filters(draw: st.DrawFn) -> RunFilter:
    username = draw(names)
    workspace = draw(names)
    return RunFilter(
        search=draw(st.text(max_size=200)).strip(),
        username=username,
        workspace=workspace,
        without_user=username is None and draw(st.booleans()),
        without_workspace=workspace is None and draw(st.booleans()),
    )


@given(filters())
def test_a_filter_survives_the_address_bar(run_filter: RunFilter) -> None:
    query = run_filter.to_query()
    assert RunFilter.from_query(query) == run_filter
    assert all(query.values())
    assert bool(run_filter) == bool(query)


@given(st.dictionaries(st.sampled_from(["search", "username", "workspace", "without"]), st.text()))
def test_any_address_gives_a_filter_that_gives_the_same_address_again(
    query: dict[str, str],
) -> None:
    once = RunFilter.from_query(query)
    assert RunFilter.from_query(once.to_query()) == once


@given(filters())
def test_each_condition_appears_in_the_sentence(run_filter: RunFilter) -> None:
    conditions = [
        run_filter.search,
        run_filter.username,
        run_filter.workspace,
        run_filter.without_user,
        run_filter.without_workspace,
    ]
    sentence = run_filter.describe()
    assert "\n" not in sentence
    assert bool(sentence) == any(conditions)


def test_the_sentence_reads_as_english() -> None:
    run_filter = RunFilter(search="order 1", username="kate", workspace="w-1")
    assert run_filter.describe("Ops") == "search “order 1” and user “kate” and workspace “Ops”"
    assert run_filter.describe() == "search “order 1” and user “kate” and workspace “w-1”"
    without = RunFilter(without_user=True, without_workspace=True)
    assert without.describe() == "no known user and no known workspace"
    assert RunFilter().describe() == ""


def test_a_named_user_outweighs_without_user() -> None:
    found = RunFilter.from_query({"username": "kate", "without": "user,workspace,else"})
    assert found == RunFilter(username="kate", without_workspace=True)


def test_parameters_of_others_are_left_alone() -> None:
    assert RunFilter.from_query({"page": "3", "utm": "x"}) == RunFilter()


def test_a_search_is_trimmed_and_cut() -> None:
    assert RunFilter.from_query({"search": "  order  "}).search == "order"
    assert len(RunFilter.from_query({"search": "x" * 20_000}).search) == MAX_SEARCH


def test_shortened_text_is_one_line_of_bounded_length() -> None:
    assert shorten("a\n b\t c", 10) == "a b c"
    assert shorten("x" * 10, 10) == "x" * 10
    assert shorten("x" * 11, 10) == "x" * 9 + "…"
